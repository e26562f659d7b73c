//! Text with `${ jq }` in it.

use batchmill_core::{NodeError, StateData};
use serde_json::Value as Json;

use crate::{ExprError, Filter, Vars};

/// Text with expressions in `${ … }`. `$${` stands for `${` itself.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Expression(Filter),
}

impl Template {
    /// Compiles `text`, or tells every mistake in it, with offsets in the whole text.
    pub fn compile(text: &str) -> Result<Self, Vec<ExprError>> {
        let (mut parts, mut errors, mut literal) = (Vec::new(), Vec::new(), String::new());
        let mut at = 0;
        while let Some(found) = text[at..].find("${").map(|found| at + found) {
            if text[at..found].ends_with('$') {
                literal.push_str(&text[at..found]);
                literal.push('{');
                at = found + 2;
                continue;
            }
            literal.push_str(&text[at..found]);
            let start = found + 2;
            let Some(end) = closing(&text[start..]).map(|end| start + end) else {
                errors.push(ExprError::new(found, "`${` is never closed; write `$${` for the text `${`"));
                break;
            };
            match Filter::compile(&text[start..end]) {
                Ok(filter) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Expression(filter));
                }
                Err(found) => errors.extend(found.into_iter().map(|error| error.shifted(start))),
            }
            at = end + 1;
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// Whether it has no expressions and always renders as the same text.
    pub fn is_literal(&self) -> bool {
        self.literal().is_some()
    }

    /// The text of a template without expressions.
    pub fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with the value of each expression: texts as they are, anything else as compact JSON.
    ///
    /// Null and no value are the permanent error `expression_failed`: an argument that silently became empty hides a
    /// mistake. `// ""` in the expression says that empty is meant.
    pub fn render(&self, state: &StateData, vars: &Vars<'_>) -> Result<String, NodeError> {
        if let Some(text) = self.literal() {
            return Ok(text.to_owned());
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Expression(filter) => match filter.run_one(state, vars)? {
                    Some(Json::String(value)) => text.push_str(&value),
                    Some(Json::Null) | None => return Err(empty(filter)),
                    Some(value) => text.push_str(&value.to_string()),
                },
            }
        }
        Ok(text)
    }
}

fn empty(filter: &Filter) -> NodeError {
    let shown = filter.shown();
    let message = format!("`${{{shown}}}` has no value; write `// \"\"` after it where it may be empty");
    NodeError::permanent("expression_failed", message)
}

/// The place of the `}` that ends an expression: not one inside brackets, strings or comments of jq.
fn closing(text: &str) -> Option<usize> {
    // What is open: `{` or `(` of jq, or `"` of a string.
    let mut open: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let in_string = open.last() == Some(&b'"');
        match byte {
            b'\\' if in_string && bytes.get(at + 1) == Some(&b'(') => {
                open.push(b'(');
                at += 1;
            }
            b'\\' if in_string => at += 1,
            b'"' if in_string => {
                open.pop();
            }
            _ if in_string => {}
            b'#' => at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at),
            b'"' | b'(' | b'[' | b'{' => open.push(*byte),
            b'}' if open.is_empty() => return Some(at),
            b')' | b']' | b'}' => {
                open.pop();
            }
            _ => {}
        }
        at += 1;
    }
    None
}
