//! Which keys of its input an expression reads, as far as its text tells.
//!
//! A state may hold far more than one expression looks at. Where every look is a plain `.key`, only these entries are
//! converted for a run; anything that could see more (`.`, `keys`, `to_entries`, an update …) gets all.

use jaq_core::load::{
    lex::StrPart,
    parse::{BinaryOp, Pattern, Term},
};
use jaq_core::path::{Part, Path};

/// What is read of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Anything.
    All,
    /// These entries.
    Keys(Vec<String>),
}

impl Reads {
    fn nothing() -> Self {
        Self::Keys(Vec::new())
    }

    fn add(&mut self, key: String) {
        if let Self::Keys(keys) = self
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
}

/// Functions that look at nothing but what their arguments yield.
const BLIND: [(&str, usize); 13] = [
    ("empty", 0),
    ("error", 1),
    ("false", 0),
    ("first", 1),
    ("infinite", 0),
    ("isempty", 1),
    ("last", 1),
    ("limit", 2),
    ("null", 0),
    ("range", 1),
    ("range", 2),
    ("range", 3),
    ("true", 0),
];

/// What `term` reads of its own input, and of `$input`.
pub(crate) fn of(term: &Term<&str>) -> (Reads, Reads) {
    let mut walk = Walk { state: Reads::nothing(), input: Reads::nothing() };
    walk.term(term, true);
    (walk.state, walk.input)
}

struct Walk {
    state: Reads,
    input: Reads,
}

impl Walk {
    fn all<'t, 's: 't>(&mut self, terms: impl IntoIterator<Item = &'t Term<&'s str>>, is_root: bool) {
        terms.into_iter().for_each(|term| self.term(term, is_root));
    }

    /// Looks at `term`, whose input is the whole of what the expression was given, or else a value that came of reads.
    fn term(&mut self, term: &Term<&str>, is_root: bool) {
        match term {
            Term::Num(_) | Term::Break(_) => {}
            Term::Id | Term::Recurse => self.everything(is_root),
            Term::Var("$input") => self.input = Reads::All,
            Term::Var(_) => {}
            Term::Path(of, path) => self.path(of, path, is_root),
            Term::Call(name, arguments) => {
                if !BLIND.contains(&(name, arguments.len())) {
                    self.everything(is_root);
                }
                self.all(arguments, is_root);
            }
            // Refused before; whatever it would read.
            Term::Def(..) => self.everything(is_root),
            Term::Str(_, parts) => {
                self.all(
                    parts.iter().filter_map(|part| if let StrPart::Term(term) = part { Some(term) } else { None }),
                    is_root,
                );
            }
            Term::Obj(entries) => entries.iter().for_each(|(key, value)| self.entry(key, value.as_ref(), is_root)),
            Term::Arr(inner) => self.all(inner.as_deref(), is_root),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner, is_root),
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                self.term(left, is_root);
                self.term(right, false);
            }
            Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
                self.term(left, is_root);
                self.pattern(pattern, is_root);
                self.term(right, is_root);
            }
            // An update yields its input, changed.
            Term::BinOp(
                left,
                BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt,
                right,
            ) => {
                self.everything(is_root);
                self.all([&**left, right], is_root);
            }
            Term::BinOp(left, _, right) => self.all([&**left, right], is_root),
            Term::Fold(_, over, pattern, arguments) => {
                self.term(over, is_root);
                self.pattern(pattern, is_root);
                // The first one makes what the others work on.
                for (place, argument) in arguments.iter().enumerate() {
                    self.term(argument, is_root && place == 0);
                }
            }
            Term::TryCatch(inner, catch) => {
                self.term(inner, is_root);
                self.all(catch.as_deref(), false);
            }
            Term::IfThenElse(arms, otherwise) => {
                self.all(arms.iter().flat_map(|(when, then)| [when, then]), is_root);
                match otherwise {
                    Some(otherwise) => self.term(otherwise, is_root),
                    None => self.everything(is_root),
                }
            }
        }
    }

    fn everything(&mut self, is_root: bool) {
        if is_root {
            self.state = Reads::All;
        }
    }

    fn path(&mut self, of: &Term<&str>, path: &Path<Term<&str>>, is_root: bool) {
        let key =
            path.0.first().and_then(|(part, _)| if let Part::Index(index) = part { literal(index) } else { None });
        match (of, key) {
            (Term::Id, Some(key)) if is_root => self.state.add(key),
            (Term::Var("$input"), Some(key)) => self.input.add(key),
            _ => self.term(of, is_root),
        }
        for (part, _) in &path.0 {
            match part {
                Part::Index(index) => self.term(index, is_root),
                Part::Range(from, to) => self.all(from.iter().chain(to), is_root),
            }
        }
    }

    /// `{a}` and `{"a"}` stand for `{a: .a}`.
    fn entry(&mut self, key: &Term<&str>, value: Option<&Term<&str>>, is_root: bool) {
        self.term(key, is_root);
        match (value, literal(key), key) {
            (Some(value), ..) => self.term(value, is_root),
            (None, Some(key), _) if is_root => self.state.add(key),
            (None, _, Term::Var(_)) => {}
            (None, ..) => self.everything(is_root),
        }
    }

    fn pattern(&mut self, pattern: &Pattern<&str>, is_root: bool) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => items.iter().for_each(|item| self.pattern(item, is_root)),
            Pattern::Obj(entries) => entries.iter().for_each(|(key, item)| {
                self.term(key, is_root);
                self.pattern(item, is_root);
            }),
        }
    }
}

/// A text that is the same in every run.
fn literal(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(sign) => text.push(*sign),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use batchmill_core::StateData;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use crate::{Filter, Vars, check::check};

    use super::*;

    fn reads(text: &str) -> String {
        let (uses, _) = check(text).unwrap();
        let show = |reads: &Reads| match reads {
            Reads::All => "all".to_owned(),
            Reads::Keys(keys) => keys.join(" "),
        };
        format!("{} / {}", show(&uses.state), show(&uses.input))
    }

    /// Expressions, and what they read of the state and of `$input`.
    const TABLE: [(&str, &str); 45] = [
        ("{n: (.n + 1)}", "n / "),
        ("{a, \"b\", \"c\": .d}", "a b d / "),
        ("{a: 1} | .a", " / "),
        (".a.b.c, .[\"d e\"], .\"f\"", "a d e f / "),
        (".a[.b]", "a b / "),
        (".a[.b:.c]", "a b c / "),
        (".list | map(.x) | keys", "list / "),
        ("[.list[] | select(.x > 1)]", "list / "),
        ("if .n > 1 then .a elif .o then 1 else .b end", "n a o b / "),
        ("\"\\(.a)-\\(.b)\"", "a b / "),
        ("@base64 \"\\(.a)\"", "a / "),
        (".a // .b // empty", "a b / "),
        (".a as $x | $x + .b", "a b / "),
        (".a as {b: $x} | $x", "a / "),
        ("reduce .list[] as $x (.zero; . + $x)", "list zero / "),
        ("[foreach .list[] as $x (0; . + $x; [., $x])]", "list / "),
        ("try error(.a) catch .", "a / "),
        (".a?", "a / "),
        ("[limit(.n; .list[])], first(.b)", "n list b / "),
        ("[range(.n)]", "n / "),
        ("-.a", "a / "),
        ("label $out | .list[] | ., break $out", "list / "),
        ("$input.path", " / path"),
        ("$input.a[$input.b] + .c", "c / a b"),
        ("$input | keys", " / all"),
        ("{$input}", " / all"),
        ("$input[0:1]", " / all"),
        (".", "all / "),
        ("..", "all / "),
        (".[]", "all / "),
        (".[0]?", "all / "),
        (".[.a]", "all / "),
        (".a = 1", "all / "),
        (".a |= 1", "all / "),
        (".a += 1", "all / "),
        ("del(.a)", "all / "),
        ("keys", "all / "),
        ("with_entries(.)", "all / "),
        ("has(\"a\")", "all / "),
        ("if .a then 1 end", "all / "),
        (". as $x | $x.a", "all / "),
        ("reduce .list[] as $x (.; .n = $x)", "all / "),
        ("first(.)", "all / "),
        ("{\"a\\(.b)\"}", "all / "),
        ("[.a, length]", "all / "),
    ];

    #[test]
    fn what_an_expression_reads_is_known_from_its_text() {
        for (text, expected) in TABLE {
            assert_eq!(reads(text), expected, "{text}");
        }
    }

    fn object() -> impl Strategy<Value = StateData> {
        let leaf = prop_oneof![Just(json!(null)), (0..5).prop_map(Json::from), "[abc]{0,2}".prop_map(Json::from)];
        let value = leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[abcx]", inner, 0..3)
                    .prop_map(|map| Json::Object(map.into_iter().collect()))
            ]
        });
        let key = "[abcdno]|list|zero|path|d e";
        prop::collection::btree_map(key, value, 0..10).prop_map(|map| map.into_iter().collect())
    }

    /// Each expression, and the same in a form that is given everything.
    static FILTERS: LazyLock<Vec<(Filter, Filter)>> = LazyLock::new(|| {
        let compile = |text: &str| Filter::compile(text).unwrap();
        TABLE.iter().map(|(text, _)| (compile(text), compile(&format!(". | $input as $all | ({text})")))).collect()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_not_read_makes_no_difference(state in object(), input in object()) {
            let vars = Vars { input: Some(&input), ..Vars::none() };
            let state = Json::Object(state);
            for (narrow, whole) in FILTERS.iter() {
                let outputs = |filter: &Filter| filter.run_all(&state, &vars).map_err(|error| error.code);
                prop_assert_eq!(outputs(narrow), outputs(whole), "{}", narrow.text());
            }
        }
    }
}
