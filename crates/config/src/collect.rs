//! From a request to layers. A source that cannot be read becomes an empty layer with a problem, so that the others are
//! still looked at.

use std::{collections::BTreeMap, io, path::Path};

use batchmill_core::{Problem, nearest};
use serde_json::{Map, Value};

use crate::{
    LoadRequest,
    bounded::{Unreadable, read_bounded},
    depth::{DEPTH_MAX, TOO_DEEP},
    document::{self, Document},
    key,
    layer::{Layer, Rank, Source},
    shape,
};

/// The built-in defaults as TOML: `config/default.toml`, which is also the reference of all keys.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// Layers, lowest first, and what was wrong with each: by its number and, for files, the byte.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) layers: Vec<Layer>,
    pub(crate) problems: Vec<(usize, Problem)>,
}

impl Collected {
    /// Reads every source of the request.
    pub(crate) fn from_request(request: &LoadRequest) -> Self {
        let mut collected = Self::default();
        collected.push(Rank::Default, Source::Default, document::parse(DEFAULTS).values);
        collected.file(Rank::SystemFile, request.system_file.as_deref(), Missing::IsFine);
        collected.file(Rank::UserFile, request.user_file.as_deref(), Missing::IsFine);
        match &request.explicit {
            Some(path) => collected.file(Rank::ProjectFile, Some(path), Missing::IsAProblem),
            None => collected.file(Rank::ProjectFile, request.project_file.as_deref(), Missing::IsFine),
        }
        collected.environment(request);
        collected.flags(request);
        for argument in &request.sets {
            collected.set(argument);
        }
        collected
    }

    fn push(&mut self, rank: Rank, source: Source, values: Map<String, Value>) {
        self.layers.push(Layer { rank, source, values });
    }

    /// Says what is wrong with the layer that was pushed last.
    fn complain(&mut self, problem: Problem) {
        self.problems.push((self.layers.len() - 1, problem));
    }

    fn file(&mut self, rank: Rank, path: Option<&Path>, missing: Missing) {
        let Some(path) = path else { return };
        let wrong = |message: &str| Problem::new([""; 0], message);
        let (text, problem) = match read_bounded(path, LENGTH_MAX) {
            Ok(text) => (text, None),
            Err(Unreadable::Io(error)) if missing == Missing::IsFine && is_missing(&error) => return,
            Err(Unreadable::Io(error)) => (String::new(), Some(wrong(&told(&error)))),
            Err(Unreadable::TooLong) => (String::new(), Some(wrong("longer than a config can be, 16 MiB"))),
            Err(Unreadable::NotUtf8 { good }) => {
                let problem = wrong("not UTF-8 from here on; save the file as UTF-8").at_offset(good.len());
                (good, Some(problem))
            }
        };
        let document = if problem.is_none() { document::parse(&text) } else { Document::default() };
        self.push(rank, Source::File { path: path.to_owned(), text, spans: document.spans }, document.values);
        for problem in document.problems.into_iter().chain(problem) {
            self.complain(problem);
        }
    }

    fn environment(&mut self, request: &LoadRequest) {
        let named = request.env.iter().filter_map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            let key = name.strip_prefix("BATCHMILL_")?.to_lowercase();
            let meant = misspelt(&key);
            (key.contains("__") || meant.is_some()).then_some((name, (key, value, meant)))
        });
        // By name, so that `…__OPTIONS` comes before `…__OPTIONS__KEY` whatever order the environment has.
        for (name, (key, value, meant)) in named.collect::<BTreeMap<_, _>>() {
            let path: key::Path = key.split("__").map(str::to_owned).collect();
            if let Some(meant) = meant {
                self.push(Rank::Environment, Source::Environment { name }, Map::new());
                let message = format!("a double underscore stands between two keys: did you mean BATCHMILL_{meant}?");
                self.complain(Problem::new([""; 0], message));
                continue;
            }
            let value = match value.to_str() {
                Some(_) if path.iter().any(String::is_empty) => {
                    Err("a double underscore separates two keys; one of them is empty here".to_owned())
                }
                Some(_) if path.len() > DEPTH_MAX => Err(TOO_DEEP.to_owned()),
                Some(text) => document::value_or_word(text),
                None => Err("the value is not UTF-8".to_owned()),
            };
            self.single(Rank::Environment, Source::Environment { name }, &path, value);
        }
    }

    fn flags(&mut self, request: &LoadRequest) {
        for flag in &request.flags {
            let source = Source::Flag { name: flag.name.clone() };
            let value = flag.value.clone().and_then(|value| match has_null(&value) {
                true => Err("null is not a value".to_owned()),
                false => Ok(value),
            });
            let path = document::dotted_key(&flag.key).unwrap_or_else(|| vec![flag.key.clone()]);
            self.single(Rank::Flags, source, &path, value);
        }
    }

    fn set(&mut self, argument: &str) {
        let split = equals_sign(argument).map(|at| (argument[..at].trim(), &argument[at + 1..]));
        let Some((key, path, text)) = split.and_then(|(key, text)| Some((key, document::dotted_key(key)?, text)))
        else {
            let message = format!("`{argument}` is not KEY=VALUE, for example executor.concurrency=4");
            self.push(Rank::Sets, Source::Set { key: argument.split('=').next().unwrap_or("").into() }, Map::new());
            return self.complain(Problem::new([""; 0], message));
        };
        self.single(Rank::Sets, Source::Set { key: key.to_owned() }, &path, document::value_or_word(text));
    }

    fn single(&mut self, rank: Rank, source: Source, path: &[String], value: Result<Value, String>) {
        match value {
            Ok(value) => self.push(rank, source, key::nest(path, value)),
            Err(message) => {
                self.push(rank, source, Map::new());
                self.complain(Problem::new(path.to_vec(), message));
            }
        }
    }
}

/// What a variable was meant to be whose section and key have but one underscore between them: it would set nothing. One whose
/// rest is like no key of the section is somebody's own, a secret for example.
fn misspelt(key: &str) -> Option<String> {
    let of = |section: &str| key.strip_prefix(section)?.strip_prefix('_').filter(|rest| !rest.starts_with('_'));
    let (section, rest) = shape::sections().find_map(|section| Some((section, of(section)?)))?;
    let below = |known: &str| Some(format!("{known}__{}", rest.strip_prefix(known)?.strip_prefix('_')?));
    let like = || nearest(rest, shape::keys(section)).map(|_| rest.to_owned());
    let meant = shape::keys(section).find_map(below).or_else(like)?;
    Some(format!("{section}__{meant}").to_uppercase())
}

/// The first `=` outside quotes.
fn equals_sign(argument: &str) -> Option<usize> {
    let mut quote = None;
    argument.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        None
    })
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(table) => table.values().any(has_null),
        _ => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsFine,
    IsAProblem,
}

/// A file that is longer is read no further.
const LENGTH_MAX: u64 = 16 * 1024 * 1024;

/// `XDG_CONFIG_HOME=/dev/null` is a known way to say that there is no file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn told(error: &io::Error) -> String {
    match error.kind() {
        _ if is_missing(error) => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory, not a file".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
