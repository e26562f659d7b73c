//! Which functions expressions have, and why the others are missing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use jaq_core::{Native, data::JustLut, load::parse::Def, native::Fun};

use crate::{calls, natives, value::Value};

/// The values beside its input that an expression may be given, in the order in which a run hands them over.
pub(crate) const VARIABLES: [&str; 4] = ["$input", "$job", "$item", "$error"];

/// Reads what differs from one attempt to the next, so that a repeated attempt would compute something else.
const OUTSIDE: &str = "an expression reads only the state and the variables of its job";
/// May run without end.
const ENDLESS: &str = "it may run without end";

/// Functions of jq that flows do not have: name, number of arguments (all if absent), why.
const REFUSED: [(&str, Option<usize>, &str); 21] = [
    ("env", None, OUTSIDE),
    ("now", None, OUTSIDE),
    ("localtime", None, OUTSIDE),
    ("strflocaltime", None, OUTSIDE),
    ("input", None, OUTSIDE),
    ("inputs", None, OUTSIDE),
    ("input_filename", None, OUTSIDE),
    ("input_line_number", None, OUTSIDE),
    ("get_search_list", None, OUTSIDE),
    ("modulemeta", None, OUTSIDE),
    ("debug", None, "an expression writes nothing"),
    ("stderr", None, "an expression writes nothing"),
    ("halt", None, "an expression does not end the program; use `error`"),
    ("halt_error", None, "an expression does not end the program; use `error`"),
    ("import", None, "an expression loads nothing"),
    ("include", None, "an expression loads nothing"),
    ("until", None, ENDLESS),
    ("while", None, ENDLESS),
    ("repeat", None, ENDLESS),
    ("recurse", Some(1), ENDLESS),
    ("recurse", Some(2), ENDLESS),
];

/// Why a function of this name and number of arguments is not available, if it is one of jq's.
pub(crate) fn refusal(name: &str, arity: usize) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, arguments, _)| *refused == name && arguments.is_none_or(|wanted| wanted == arity))
        .map(|(.., why)| *why)
}

/// Why a variable of this name is not available, if it is one of jq's.
pub(crate) fn refused_variable(name: &str) -> Option<&'static str> {
    matches!(name, "$ENV" | "$__prog_args" | "$__loc__" | "$ARGS").then_some(OUTSIDE)
}

/// The library: definitions in their order, each with the names that it calls.
static LIBRARY: LazyLock<Vec<(Def<&'static str>, BTreeSet<&'static str>)>> = LazyLock::new(|| {
    let with_calls = |def: Def<&'static str>| {
        let mut names = BTreeSet::new();
        calls::collect(&def.body, &mut names);
        (def, names)
    };
    definitions().map(with_calls).collect()
});

/// Where in [`LIBRARY`] there are definitions of a name.
static PLACES: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut places: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, (def, _)) in LIBRARY.iter().enumerate() {
        places.entry(def.name).or_default().push(place);
    }
    places
});

/// The part of the library that an expression needs which calls `names`: compiling and keeping all of it for each
/// expression would make large flows slow and heavy.
pub(crate) struct Needed {
    places: BTreeSet<usize>,
    names: BTreeSet<String>,
}

impl Needed {
    pub(crate) fn by(names: BTreeSet<&str>) -> Self {
        let mut needed = Self { places: BTreeSet::new(), names: BTreeSet::new() };
        let mut found: Vec<&str> = names.into_iter().collect();
        while let Some(name) = found.pop() {
            if !needed.names.insert(name.to_owned()) {
                continue;
            }
            for place in PLACES.get(name).into_iter().flatten() {
                needed.places.insert(*place);
                found.extend(&LIBRARY[*place].1);
            }
        }
        needed
    }

    /// Definitions in jq.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = Def<&'static str>> {
        self.places.iter().map(|place| LIBRARY[*place].0.clone())
    }

    /// Functions in Rust.
    pub(crate) fn functions(&self) -> impl Iterator<Item = Fun<JustLut<Value>>> {
        functions().filter(|(name, ..)| self.names.contains(*name))
    }
}

/// Definitions in jq.
fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let own =
        jaq_core::load::parse(include_str!("defs.jq"), |parser| parser.defs()).expect("our own definitions parse");
    let absent = |def: &Def<&str>| matches!(def.name, "debug" | "stderr" | "halt" | "halt_error" | "nan" | "infinite");
    // Ours come before what builds on them.
    let core = jaq_core::defs().filter(|def| def.name != "join");
    let (first, rest): (Vec<_>, Vec<_>) = own.into_iter().partition(|def| def.args.len() == 2 && def.args[0] == "$re");
    let library = jaq_std::defs().filter(move |def| !absent(def));
    core.chain(first).chain(library).chain(jaq_json::defs()).chain(rest)
}

/// Functions in Rust.
fn functions() -> impl Iterator<Item = Fun<JustLut<Value>>> {
    let theirs = jaq_core::funs().chain(jaq_std::funs());
    let counted = natives::all();
    let replaced: Vec<&str> = counted.iter().map(|(name, ..)| *name).collect();
    let kept = theirs.filter_map(move |(name, arguments, function): Fun<JustLut<Value>>| {
        let name = match name {
            "env" | "now" | "halt" | "debug_empty" | "stderr_empty" | "localtime" | "strflocaltime" => return None,
            "matches" => "matches_unbounded",
            "split_matches" => "split_matches_unbounded",
            "split_" => "split_unbounded",
            name if replaced.contains(&name) => return None,
            name => name,
        };
        Some((name, arguments, function))
    });
    kept.chain(
        counted
            .into_iter()
            .map(|(name, arguments, function)| (name, arguments, Native::<JustLut<Value>>::new(function))),
    )
}

/// Every function that an expression may call: name and number of arguments.
pub(crate) static KNOWN: LazyLock<Vec<(&'static str, usize)>> = LazyLock::new(|| {
    let defined = definitions().map(|def| (def.name, def.args.len()));
    let native = functions().map(|(name, arguments, _)| (name, arguments.len()));
    let mut known: Vec<_> = defined.chain(native).filter(|(name, _)| !is_inner(name)).collect();
    known.retain(|(name, arity)| refusal(name, *arity).is_none());
    known.sort_unstable();
    known.dedup();
    known
});

/// Names that only the library's own definitions use.
pub(crate) fn is_inner(name: &str) -> bool {
    name.ends_with('_') || name.ends_with("_unbounded") || name.ends_with("_empty") || name == "regex_fits"
}
