//! `batchmill plugin new KIND NAME`.

mod files;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};

use super::super::Global;
use crate::{exit::Exit, problems::Refusal, refusal, stdout};

/// Make the project of a plugin in Rust, which works and is there to be changed.
///
/// A folder NAME with a small policy of the kind, its options, and a test that holds it against the contract of the kind. Its
/// README has the commands that test it, build it and check it.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// What the plugin is
    kind: Kind,

    /// What config calls it; also the name of the folder and of the package
    #[arg(value_parser = name)]
    name: String,

    /// A checkout of Batchmill to depend on; without it, the crates of this version from the registry
    #[arg(long, value_name = "DIR", env = "BATCHMILL_PATH", hide_env = true, value_hint = ValueHint::DirPath)]
    path: Option<PathBuf>,
}

/// Kinds that there is a project of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Which job starts next
    Scheduler,
    /// Whether and when a failed attempt is repeated
    Retry,
    /// When failures stop a batch
    Failure,
    /// How many attempts run at once
    Governor,
    /// Where results go
    Sink,
}

/// What would be a keyword, or a package that the project depends on.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "async-trait",
    "async_trait",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "self",
    "serde",
    "serde-json",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || text.len() > 63 || !text.bytes().all(fits) {
        return Err("a name is 1 to 63 characters of a-z, 0-9, `-` and `_`, and begins with a letter".into());
    }
    let is_built_in = crate::catalog::registry().list().iter().any(|plugin| plugin.name == text);
    if is_built_in || text.starts_with("batchmill") {
        return Err("a plugin of this name is built in".into());
    }
    if TAKEN.contains(&text) {
        return Err("no crate can have this name".into());
    }
    Ok(text.to_owned())
}

pub(super) fn execute(args: &NewArgs, global: &Global) -> Exit {
    match make(args) {
        Ok(()) => stdout::print(&format!(
            "{name}: a {kind} plugin. Next:\n  cd {name} && cargo test\n  README.md has the rest\n",
            name = args.name,
            kind = args.kind.of_plugin(),
        )),
        Err(refusal) => refusal::print(&refusal, &global.screen()),
    }
}

fn make(args: &NewArgs) -> Result<(), Refusal> {
    let checkout = args.path.as_deref().map(checkout).transpose()?;
    let mut files = files::of(args.kind, &args.name, checkout.as_deref());
    if let Some(checkout) = &checkout {
        // The versions that the checkout was tested with, which are on this machine already.
        let lock = fs::read_to_string(checkout.join("Cargo.lock"));
        files.extend(lock.ok().map(|lock| ("Cargo.lock", lock)));
    }
    let folder = Path::new(&args.name);
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Refusal::data(format!("{}: it exists already", args.name)),
        _ => Refusal::storage(format!("{}: {error}", args.name)),
    })?;
    files.iter().try_for_each(|(path, text)| write(&folder.join(path), text))
}

fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Refusal::storage(format!("{}: {error}", path.display())))
}

/// Its absolute path.
fn checkout(path: &Path) -> Result<PathBuf, Refusal> {
    let refused = |why: &dyn std::fmt::Display| Refusal::data(format!("--path {}: {why}", path.display()));
    let path = fs::canonicalize(path).map_err(|error| refused(&error))?;
    if !path.join("crates/plugin/Cargo.toml").is_file() {
        return Err(refused(&"this is no checkout of Batchmill: it has no crates/plugin/Cargo.toml"));
    }
    if path.to_str().is_none() {
        return Err(refused(&"the path is not UTF-8"));
    }
    Ok(path)
}
