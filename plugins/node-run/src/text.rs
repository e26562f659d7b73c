//! Texts with expressions, and what is wrong with them.

use batchmill_core::Problem;
use batchmill_flow::expr::{ExprError, Filter, Template};

/// Compiles a text; the problems have no path yet.
pub(crate) fn compile(text: &str) -> Result<Template, Vec<Problem>> {
    if text.contains('\0') {
        return Err(vec![Problem::new([""; 0], "has a zero byte, which no process can get")]);
    }
    Template::compile(text).map_err(problems)
}

/// Compiles an expression; the problems have no path yet.
pub(crate) fn expression(text: &str) -> Result<Filter, Vec<Problem>> {
    Filter::compile(text).map_err(problems)
}

fn problems(errors: Vec<ExprError>) -> Vec<Problem> {
    errors.into_iter().map(|error| Problem::new([""; 0], error.message).at_offset(error.offset)).collect()
}
