//! A compiled expression.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use batchmill_core::{NodeError, StateData};
use jaq_core::{
    Compiler, Ctx,
    data::JustLut,
    load::{Arena, File, Loader},
};
use jaq_json::Val;
use serde_json::Value as Json;

use crate::{
    Vars,
    check::{self, Uses},
    clip::Clip,
    convert::{self, NotJson},
    error::ExprError,
    library,
    meter::{self, Exceeded, Limits},
    reads::Reads,
    value::Value,
};

type Data = JustLut<Value>;

/// How much of its text an expression shows in messages.
const SHOWN: usize = 80;

/// A compiled jq expression. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    text: String,
    filter: jaq_core::Filter<Data>,
    uses: Uses,
    limits: Limits,
    /// What it always yields, once it was run, if it looks at nothing: `{status: "new"}`.
    always: OnceLock<Option<Json>>,
}

impl Filter {
    /// Compiles `text`, or tells every mistake in it.
    pub fn compile(text: &str) -> Result<Self, Vec<ExprError>> {
        Self::with_limits(text, Limits::DEFAULT)
    }

    /// Compiles `text` with bounds of its own.
    pub fn with_limits(text: &str, limits: Limits) -> Result<Self, Vec<ExprError>> {
        let (uses, needed) = check::check(text)?;
        let arena = Arena::default();
        let loader = Loader::new(needed.definitions());
        // What loads was parsed before: this only pairs it with the library.
        let modules = loader
            .load(&arena, File { code: text, path: () })
            .map_err(|_| vec![ExprError::new(0, "an expression loads nothing")])?;
        let compiler = Compiler::default().with_funs(needed.functions()).with_global_vars(library::VARIABLES);
        let filter = compiler.compile(modules).map_err(|files| {
            let mistakes = files.into_iter().flat_map(|(_, mistakes)| mistakes);
            let mut errors: Vec<ExprError> = mistakes
                .map(|(name, what)| {
                    let offset = (name.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
                    ExprError::new(offset.min(text.len()), check::undefined(name, &what))
                })
                .collect();
            errors.sort_by_key(|error| error.offset);
            errors
        })?;
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), filter, uses, limits, always: OnceLock::new() })))
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether it reads no entry of its input but these, as far as its text tells.
    pub fn reads_only(&self, keys: &[&str]) -> bool {
        match &self.0.uses.state {
            Reads::All => false,
            Reads::Keys(read) => read.iter().all(|key| keys.contains(&key.as_str())),
        }
    }

    /// The variables that occur in it: `$input`, `$job`, `$item`, `$error`.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        library::VARIABLES.into_iter().zip(self.0.uses.variables).filter(|(_, used)| *used).map(|(name, _)| name)
    }

    /// Its one output, or `None` for none. Several are the permanent error `bad_update`.
    pub fn run_one(&self, state: &StateData, vars: &Vars<'_>) -> Result<Option<Json>, NodeError> {
        if let Some(always) = self.0.always.get() {
            return Ok(always.clone());
        }
        let output = self.one(convert::object(state, &self.0.uses.state), vars)?;
        if self.is_constant() {
            let _ = self.0.always.set(output.clone());
        }
        Ok(output)
    }

    /// Whether it looks at nothing: not at the object it runs over, not at a variable. There is nothing else to look at.
    fn is_constant(&self) -> bool {
        let Uses { state, variables, .. } = &self.0.uses;
        matches!(state, Reads::Keys(keys) if keys.is_empty()) && !variables.contains(&true)
    }

    /// The same over any value.
    pub fn run_one_on(&self, value: &Json, vars: &Vars<'_>) -> Result<Option<Json>, NodeError> {
        self.one(self.input(value), vars)
    }

    /// Whether its one output is neither null nor false. No output is no; several are the permanent error `bad_update`.
    pub fn run_bool(&self, state: &StateData, vars: &Vars<'_>) -> Result<bool, NodeError> {
        let mut answer = None;
        self.run(convert::object(state, &self.0.uses.state), vars, |value| {
            answer.replace(jaq_core::ValT::as_bool(&value)).is_none().then_some(()).ok_or_else(|| self.several())
        })?;
        Ok(answer.unwrap_or(false))
    }

    /// All its outputs over any value, at most [`Limits::outputs`].
    pub fn run_all(&self, value: &Json, vars: &Vars<'_>) -> Result<Vec<Json>, NodeError> {
        let mut outputs = Vec::new();
        self.run(self.input(value), vars, |value| {
            outputs.push(self.json(&value.val)?);
            Ok(())
        })?;
        Ok(outputs)
    }

    fn input(&self, value: &Json) -> Value {
        match value {
            Json::Object(data) => convert::object(data, &self.0.uses.state),
            other => convert::value(other),
        }
    }

    fn one(&self, input: Value, vars: &Vars<'_>) -> Result<Option<Json>, NodeError> {
        let mut output = None;
        self.run(input, vars, |value| {
            if output.is_some() {
                return Err(self.several());
            }
            output = Some(self.json(&value.val)?);
            Ok(())
        })?;
        Ok(output)
    }

    /// Runs it, handing each output to `take`.
    fn run(
        &self,
        input: Value,
        vars: &Vars<'_>,
        mut take: impl FnMut(Value) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        let Compiled { filter, uses, limits, .. } = &*self.0;
        meter::start(limits);
        let context = Ctx::<Data>::new(&filter.lut, jaq_core::Vars::new(vars.values(uses)));
        for (count, output) in filter.id.run((context, input)).enumerate() {
            if count >= limits.outputs {
                meter::exceed(Exceeded::Outputs);
            }
            // First, because a run over its limits goes on with errors that mean nothing.
            self.within_limits()?;
            match output {
                Ok(value) => take(value)?,
                Err(exception) => return Err(self.failed(exception.get_err().ok())),
            }
        }
        self.within_limits()
    }

    fn within_limits(&self) -> Result<(), NodeError> {
        meter::exceeded().map_or(Ok(()), |what| Err(what.error(&self.0.limits, &self.shown())))
    }

    fn json(&self, val: &Val) -> Result<Json, NodeError> {
        convert::json(val).map_err(|reason| match reason {
            NotJson::Limit => self.within_limits().err().unwrap_or_else(|| self.failed(None)),
            NotJson::Because(reason) => {
                let message = format!("the result of the expression is not JSON: {reason} (`{}`)", self.shown());
                NodeError::permanent("bad_update", message)
            }
        })
    }

    fn several(&self) -> NodeError {
        NodeError::permanent("bad_update", format!("the expression yields more than one value (`{}`)", self.shown()))
    }

    /// jq's own error; `None` where jaq left the expression by another way than an error.
    fn failed(&self, error: Option<jaq_core::Error<Value>>) -> NodeError {
        let reason = match error.map(jaq_core::Error::into_val) {
            Some(Value { val: Val::TStr(text), .. }) => Clip::at(String::from_utf8_lossy(&text), 1000).to_string(),
            Some(value) => Clip::at(value.val, 1000).to_string(),
            None => "it broke off".to_owned(),
        };
        NodeError::permanent("expression_failed", format!("{reason} (in `{}`)", self.shown()))
    }

    /// The beginning of its text on one line.
    pub(crate) fn shown(&self) -> String {
        let text = self.0.text.split_whitespace().collect::<Vec<_>>().join(" ");
        Clip::at(text, SHOWN).to_string()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.0.text).finish()
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Filter>();
};
