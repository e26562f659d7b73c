//! Which functions a term calls, by name.

use std::collections::BTreeSet;

use jaq_core::load::{
    lex::StrPart,
    parse::{BinaryOp, Pattern, Term},
};
use jaq_core::path::Part;

/// Adds the names of all functions that are called in `term`.
pub(crate) fn collect<'s>(term: &Term<&'s str>, names: &mut BTreeSet<&'s str>) {
    let mut all = |terms: &mut dyn Iterator<Item = &Term<&'s str>>| terms.for_each(|term| collect(term, names));
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
        Term::Call(name, arguments) => {
            all(&mut arguments.iter());
            names.insert(name);
        }
        Term::Def(definitions, rest) => all(&mut definitions.iter().map(|def| &def.body).chain([&**rest])),
        Term::Str(format, parts) => {
            all(&mut parts.iter().filter_map(|part| if let StrPart::Term(term) = part { Some(term) } else { None }));
            names.extend(format);
        }
        Term::Obj(entries) => all(&mut entries.iter().flat_map(|(key, value)| [key].into_iter().chain(value))),
        Term::Arr(inner) => all(&mut inner.as_deref().into_iter()),
        Term::Neg(inner) | Term::Label(_, inner) => collect(inner, names),
        Term::BinOp(left, operator, right) => {
            all(&mut [&**left, right].into_iter());
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                of_pattern(pattern, names);
            }
        }
        Term::Fold(_, over, pattern, arguments) => {
            all(&mut [&**over].into_iter().chain(arguments));
            of_pattern(pattern, names);
        }
        Term::TryCatch(inner, catch) => all(&mut [&**inner].into_iter().chain(catch.as_deref())),
        Term::IfThenElse(arms, otherwise) => {
            all(&mut arms.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()));
        }
        Term::Path(of, path) => {
            all(&mut [&**of].into_iter());
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => collect(index, names),
                    Part::Range(from, to) => from.iter().chain(to).for_each(|term| collect(term, names)),
                }
            }
        }
    }
}

fn of_pattern<'s>(pattern: &Pattern<&'s str>, names: &mut BTreeSet<&'s str>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| of_pattern(item, names)),
        Pattern::Obj(entries) => entries.iter().for_each(|(key, item)| {
            collect(key, names);
            of_pattern(item, names);
        }),
    }
}
