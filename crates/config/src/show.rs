//! The effective configuration as text.
//!
//! Nothing is hidden here because there is nothing to hide: secrets are never in the configuration, only references to
//! them (`{ env = "NAME" }`, `{ file = "/path" }`), and those are shown as they are.

use std::fmt::Write;

use batchmill_core::Options;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    Loaded, Origin, Slot,
    key::{self, Path, basic_string, quoted},
};

impl Loaded {
    /// The effective configuration as TOML that reads back as the same configuration; with a comment behind each value
    /// that says where it comes from, if `with_origin`.
    pub fn show(&self, with_origin: bool) -> String {
        let mut text = Text { out: String::new(), loaded: self, with_origin };
        for (section, is_empty) in [("limits", self.config.limits.is_empty()), ("sinks", self.config.sinks.is_empty())]
        {
            if is_empty {
                text.line(section, &[section.into()], &Value::Array(Vec::new()));
            }
        }
        text.table("executor", &plain(&self.config.executor));
        text.header("[scheduler]");
        if let Some(share_key) = &self.config.scheduler.share_key {
            let path = ["scheduler".into(), "share_key".into()];
            text.line("share_key", &path, &Value::from(share_key.as_str()));
        }
        text.kind_and_options("scheduler", vec!["scheduler".into()], &self.config.scheduler.slot());
        text.slot("retry", &self.config.retry);
        text.slot("failure", &self.config.failure);
        text.slot("governor", &self.config.governor);
        for (index, limit) in self.config.limits.iter().enumerate() {
            text.header("[[limits]]");
            for (key, value) in plain(limit).as_object().into_iter().flatten() {
                text.line(key, &["limits".into(), index.to_string(), key.clone()], value);
            }
        }
        text.table("store", &plain(&self.config.store));
        if let Some(checkpoints) = &self.config.checkpoints {
            text.slot("checkpoints", checkpoints);
        }
        for (index, sink) in self.config.sinks.iter().enumerate() {
            text.header("[[sinks]]");
            text.kind_and_options("sinks", vec!["sinks".into(), index.to_string()], sink);
        }
        if let Some(metrics) = &self.config.metrics {
            text.slot("metrics", metrics);
        }
        for (index, entry) in self.config.plugins.iter().enumerate() {
            text.header("[[plugins]]");
            for (key, value) in plain(entry).as_object().into_iter().flatten() {
                text.line(key, &["plugins".into(), index.to_string(), key.clone()], value);
            }
        }
        // What is asked of plugins is of interest where there are any.
        let asked = plain(&self.config.plugin_loading);
        let asked = asked.as_object().filter(|_| !self.config.plugins.is_empty());
        if asked.is_some() {
            text.header("[plugin_loading]");
        }
        for (key, value) in asked.into_iter().flatten() {
            text.line(key, &["plugin_loading".into(), key.clone()], value);
        }
        text.out
    }

    /// The effective configuration for programs: the configuration itself or, if `with_origin`,
    /// `{"config": …, "origins": {"executor.timeout": "batchmill.toml:3:11", …}}`.
    pub fn to_json(&self, with_origin: bool) -> Value {
        let config = plain(&self.config);
        if !with_origin {
            return config;
        }
        let mut origins = Map::new();
        self.leaves(&config, &mut Path::new(), &mut |path, _| {
            origins.insert(key::dotted(path), self.origins.of(path).to_string().into());
        });
        json!({"config": config, "origins": origins})
    }

    /// Visits everything that has one origin: scalars, lists of scalars, references to secrets, empty tables.
    fn leaves(&self, value: &Value, path: &mut Path, visit: &mut dyn FnMut(&[String], &Value)) {
        // The only lists that are looked into are those of limits, sinks and plugins.
        let is_section = path.len() == 1;
        let mut below = |key: String, value: &Value| {
            path.push(key);
            self.leaves(value, path, visit);
            path.pop();
        };
        match value {
            Value::Object(table) if !table.is_empty() && !is_reference(table) => {
                table.iter().for_each(|(key, value)| below(key.clone(), value));
            }
            Value::Array(items) if !items.is_empty() && is_section => {
                items.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value));
            }
            leaf => visit(path, leaf),
        }
    }
}

/// A reference to a secret stays in one piece, as the manual writes it.
fn is_reference(table: &Options) -> bool {
    table.len() == 1 && table.iter().all(|(key, value)| matches!(key.as_str(), "env" | "file") && value.is_string())
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("settings are plain data with text keys")
}

struct Text<'a> {
    out: String,
    loaded: &'a Loaded,
    with_origin: bool,
}

impl Text<'_> {
    fn header(&mut self, header: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.out, "{gap}{header}");
    }

    /// Settings of the host itself.
    fn table(&mut self, section: &str, table: &Value) {
        self.header(&format!("[{section}]"));
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        for (key, value) in table.as_object().into_iter().flatten().filter(|(_, value)| !is_empty(value)) {
            self.line(key, &[section.into(), key.clone()], value);
        }
    }

    fn slot(&mut self, section: &str, slot: &Slot) {
        self.header(&format!("[{section}]"));
        self.kind_and_options(section, vec![section.into()], slot);
    }

    fn kind_and_options(&mut self, section: &str, mut path: Path, slot: &Slot) {
        path.push("kind".into());
        self.line("kind", &path, &Value::from(slot.kind.as_str()));
        if slot.options.is_empty() {
            return;
        }
        self.header(&format!("[{section}.options]"));
        *path.last_mut().expect("the kind was pushed") = "options".into();
        let root = path.len();
        let mut lines = Vec::new();
        for (key, value) in &slot.options {
            path.push(key.clone());
            self.loaded.leaves(value, &mut path, &mut |path, value| lines.push((path.to_vec(), value.clone())));
            path.pop();
        }
        for (path, value) in lines {
            self.line(&key::dotted(&path[root..]), &path, &value);
        }
    }

    fn line(&mut self, key: &str, path: &[String], value: &Value) {
        let _ = write!(self.out, "{key} = {}", inline(value));
        if self.with_origin {
            let _ = match self.loaded.origins.of(path) {
                Origin::File { path, place: Some(place) } => {
                    write!(self.out, "  # from {}:{}", path.display(), place.line)
                }
                Origin::Set { .. } => write!(self.out, "  # from --set"),
                other => write!(self.out, "  # from {other}"),
            };
        }
        self.out.push('\n');
    }
}

/// The value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => basic_string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| format!("{} = {}", quoted(key), inline(value));
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
