//! `batchmill plugin list`.

use std::fmt::Write;

use batchmill_plugin::Listed;
use clap::Args;
use serde_json::{Map, Value, json};

use super::super::{ConfigArgs, FormatArgs, Global};
use crate::{
    dynamic::{self, Loaded},
    exit::Exit,
    logs, refusal, stdout,
};

#[derive(Debug, Args)]
#[command(mut_arg("format", |format| {
    format.help("How the list is written; `json` has the schema of each plugin's options")
}))]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &ListArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let (registry, loaded) = match dynamic::registry(&args.config.request()) {
        Ok(known) => known,
        Err(refusal) => return refusal::print(&refusal, &screen),
    };
    let rows: Vec<Row> = registry.list().into_iter().map(|plugin| Row::of(plugin, &loaded)).collect();
    stdout::print(&args.format.format.many(rows.iter().map(Row::object).collect(), table(&rows)))
}

struct Row {
    plugin: Listed,
    form: &'static str,
    version: String,
    /// The file of a dynamic one.
    path: Option<String>,
}

impl Row {
    fn of(plugin: Listed, loaded: &Loaded) -> Self {
        match loaded.of(plugin.kind, &plugin.name) {
            Some(from) => {
                let (version, path) = (from.header().version.clone(), from.path().display().to_string());
                Self { plugin, form: "dynamic", version, path: Some(path) }
            }
            None => Self { plugin, form: "static", version: env!("CARGO_PKG_VERSION").to_owned(), path: None },
        }
    }

    fn object(&self) -> Value {
        let Listed { kind, name, about, schema, .. } = &self.plugin;
        let defaults = defaults(schema).into_iter().collect::<Map<String, Value>>();
        json!({
            "kind": kind, "name": name, "form": self.form, "version": self.version, "path": self.path, "about": about,
            "defaults": defaults, "options": schema,
        })
    }

    /// `max_attempts = 3`, one a line.
    fn options(&self) -> impl Iterator<Item = String> {
        defaults(&self.plugin.schema).into_iter().map(|(key, default)| match default {
            Value::Null => key,
            default => format!("{key} = {default}"),
        })
    }
}

/// The options of a schema with their defaults; null where there is none.
fn defaults(schema: &Value) -> Vec<(String, Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(key, described)| (key.clone(), described["default"].clone())).collect()
}

/// A line a plugin, and its options with their defaults below it: in one line no terminal has room for them.
fn table(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let Listed { kind, name, about, .. } = &row.plugin;
        [kind.as_str(), name.as_str(), row.form, row.version.as_str(), about.as_str()]
    });
    let table = stdout::table(["KIND", "NAME", "FORM", "VERSION", "ABOUT"], &cells.collect::<Vec<_>>());
    let mut lines = table.lines();
    let mut out: String = lines.next().map(|header| format!("{header}\n")).unwrap_or_default();
    for (line, row) in lines.zip(rows) {
        let _ = writeln!(out, "{line}");
        for option in row.options() {
            let _ = writeln!(out, "    {option}");
        }
    }
    out
}
