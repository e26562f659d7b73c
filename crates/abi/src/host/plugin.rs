//! A plugin that is loaded.

use std::{ffi::c_void, path::PathBuf};

use batchmill_core::{PluginKind, Problem};
use serde_json::{Value, json};

use super::{Inspected, Pin};
use crate::{
    layout::{CONFIG, FailureTable, GovernorTable, OK, RetryTable, SchedulerTable, SinkTable, Text, Writer},
    problems,
    text::Buffer,
};

/// A dynamic library whose code is here to stay.
#[derive(Debug)]
pub struct Plugin {
    inspected: Inspected,
    pin: Pin,
    path: PathBuf,
    extensions: Vec<Extension>,
}

impl Plugin {
    pub(super) fn new(inspected: Inspected, pin: Pin, path: PathBuf, extensions: Vec<Extension>) -> Self {
        Self { inspected, pin, path, extensions }
    }

    /// What its header says.
    pub fn header(&self) -> &Inspected {
        &self.inspected
    }

    /// The sha256 of its file.
    pub fn sha256(&self) -> Pin {
        self.pin
    }

    /// Its file.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What is in it.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }
}

/// One extension of a plugin.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Extension {
    /// What it is.
    pub kind: PluginKind,
    /// The `kind` in config.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The plugin's own pointer; never followed here.
    pub(super) ctx: usize,
    pub(super) table: Raw,
    pub(super) schema: Option<unsafe extern "C" fn(*mut c_void, *const Writer) -> i32>,
    pub(super) validate: Option<unsafe extern "C" fn(*mut c_void, Text, *const Writer) -> i32>,
}

/// The table of an extension, as much of it as both sides know.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw {
    Scheduler(SchedulerTable),
    Retry(RetryTable),
    Failure(FailureTable),
    Governor(GovernorTable),
    Sink(SinkTable),
}

impl Extension {
    pub(super) fn ctx(&self) -> *mut c_void {
        self.ctx as *mut c_void
    }

    /// The JSON Schema of its options; one that takes any object where it has none.
    pub fn schema(&self) -> Value {
        let Some(schema) = self.schema else { return json!({"type": "object"}) };
        let mut buffer = Buffer::default();
        let writer = buffer.writer();
        // SAFETY: its own context; the writer for this call.
        let code = unsafe { schema(self.ctx(), &raw const writer) };
        let text = buffer.into_text();
        match serde_json::from_str(&text) {
            Ok(schema @ Value::Object(_)) if code == OK => schema,
            _ => json!({"type": "object"}),
        }
    }

    /// Everything that is wrong with options.
    pub(super) fn problems(&self, options: &str) -> Vec<Problem> {
        let Some(validate) = self.validate else { return Vec::new() };
        let mut buffer = Buffer::default();
        let writer = buffer.writer();
        // SAFETY: its own context; text and writer for this call.
        let code = unsafe { validate(self.ctx(), Text::of(options), &raw const writer) };
        match code {
            OK => Vec::new(),
            CONFIG => problems::from_json(&buffer.into_text()),
            code => {
                let said = buffer.into_text();
                vec![Problem::new([""; 0], format!("the plugin could not check the options (code {code}): {said}"))]
            }
        }
    }
}
