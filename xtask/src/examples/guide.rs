//! Does what `docs/plugin-guide.md` says, in its order: every command, every change of the code, and what must come out.
//!
//! Two things differ from a newcomer's machine: `cargo install` is not run, since the program is built already, and what cargo
//! compiles on the way is kept for the next time.

use std::{fs, path::Path, process::Command};

use crate::steps::{Failed, run};

const GUIDE: &str = "docs/plugin-guide.md";

/// Kinds of projects beside the one of the guide.
const KINDS: [&str; 5] = ["scheduler", "retry", "failure", "governor", "sink"];

/// A part of the guide that somebody does something with.
#[derive(Debug, PartialEq)]
enum Step {
    /// Commands, each with what it must print, where the guide says so.
    Run(Vec<(String, String)>),
    /// An item of `src/lib.rs` in place of the one of the same name.
    Replace(String),
}

/// Walks through the guide in an empty folder, with the programs of another; then tests a project of each kind.
pub(super) fn walk(programs: &Path, folder: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(crate::root().join(GUIDE)).map_err(Failed::new)?;
    let steps = steps(&text)?;
    std::os::unix::fs::symlink(crate::root(), folder.join("batchmill")).map_err(Failed::new)?;
    let mut here = folder.to_owned();
    for step in &steps {
        match step {
            Step::Run(commands) => {
                shell(programs, folder, &here, &script(commands))?;
                let enters = commands.iter().filter_map(|(command, _)| command.strip_prefix("cd "));
                enters.for_each(|name| here.push(name));
            }
            Step::Replace(item) => {
                let path = here.join("src/lib.rs");
                let code = fs::read_to_string(&path).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
                fs::write(&path, replaced(&code, item)?).map_err(Failed::new)?;
            }
        }
    }
    for kind in KINDS {
        let commands = format!("batchmill plugin new {kind} my-{kind} --path batchmill\ncd my-{kind}\ncargo test\n");
        shell(programs, folder, folder, &commands)?;
    }
    Ok(())
}

fn shell(programs: &Path, folder: &Path, here: &Path, commands: &str) -> Result<(), Failed> {
    let begin = "set -euo pipefail\nexport PATH=\"$PROGRAMS:$PATH\"\n\
                 cargo() { if [ \"$1\" = install ]; then test -d \"$3\"; else command cargo \"$@\"; fi; }\nset -x\n";
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{begin}{commands}")]).current_dir(here).env("PROGRAMS", programs);
    // Not what cargo said to the program that runs this.
    bash.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true");
    let kept = folder.with_file_name("plugin-guide-kept");
    bash.env("CARGO_TERM_QUIET", "true")
        .env("CARGO_BUILD_BUILD_DIR", kept)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    run(&mut bash)
}

/// As a script that ends at the first command that fails, or prints something else.
fn script(commands: &[(String, String)]) -> String {
    let one = |(command, printed): &(String, String)| match printed.as_str() {
        "" => format!("{command}\n"),
        _ => format!("diff <({command}) - <<'PRINTED'\n{printed}PRINTED\n"),
    };
    commands.iter().map(one).collect()
}

fn steps(text: &str) -> Result<Vec<Step>, Failed> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "console" => steps.push(Step::Run(commands(&block)?)),
            "rust,ignore" => steps.push(Step::Replace(block.join("\n") + "\n")),
            other => return Err(Failed(format!("{GUIDE}: nobody knows what to do with `{other}`"))),
        }
    }
    Ok(steps)
}

/// `$ COMMAND`, with the lines of its text up to `END`; what stands below it is what it prints.
fn commands(block: &[&str]) -> Result<Vec<(String, String)>, Failed> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut lines = block.iter();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_owned();
            if command.ends_with("<<END") {
                for line in lines.by_ref() {
                    command = format!("{command}\n{line}");
                    if *line == "END" {
                        break;
                    }
                }
            }
            all.push((command, String::new()));
        } else {
            let (_, printed) = all.last_mut().ok_or_else(|| Failed(format!("{GUIDE}: `{line}` follows no command")))?;
            printed.push_str(line);
            printed.push('\n');
        }
    }
    Ok(all)
}

/// Code with an item in place of the one that is declared alike, comments and attributes included.
fn replaced(code: &str, item: &str) -> Result<String, Failed> {
    let is_above = |line: &str| line.trim_start().starts_with("///") || line.trim_start().starts_with("#[");
    let declared = |line: &str| line.split(['(', '{']).next().unwrap_or_default().trim_end().to_owned();
    let name = item.lines().find(|line| !is_above(line)).map(declared).unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let found = lines.iter().position(|line| !name.is_empty() && declared(line) == name);
    let place = found.ok_or_else(|| Failed(format!("{GUIDE}: the project has no `{name}`")))?;
    let begin = lines[..place].iter().rposition(|line| !is_above(line)).map_or(0, |above| above + 1);
    let close = name.chars().take_while(|c| *c == ' ').collect::<String>() + "}";
    let end = lines[place..].iter().position(|line| *line == close).map_or(place, |length| place + length);
    Ok([&lines[..begin].join("\n"), "\n", item, &lines[end + 1..].join("\n"), "\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_steps() {
        let page =
            "text\n```console\n$ cat >x <<END\na\nEND\n$ cat x\na\n$ cd y\n```\n```rust,ignore\nfn f() {}\n```\n";
        let run = |command: &str, printed: &str| (command.to_owned(), printed.to_owned());
        let commands = vec![run("cat >x <<END\na\nEND", ""), run("cat x", "a\n"), run("cd y", "")];
        assert_eq!(steps(page).unwrap(), [Step::Run(commands), Step::Replace("fn f() {}\n".to_owned())]);
        assert!(steps("```python\n```\n").is_err());
        assert!(steps("```console\nprinted by nobody\n```\n").is_err());
    }

    #[test]
    fn an_item_takes_the_place_of_the_one_that_is_declared_alike() {
        let code = "/// Old.\n#[derive(Debug)]\npub struct A {\n    x: u8,\n}\n\nimpl B {\n    /// Old.\n    fn f(&self) -> u8 {\n        1\n    }\n}\n";
        let code = replaced(code, "/// New.\npub struct A {\n    y: u8,\n}\n").unwrap();
        let code = replaced(&code, "    fn f(&self, n: u8) -> u8 {\n        n\n    }\n").unwrap();
        let expected = "/// New.\npub struct A {\n    y: u8,\n}\n\nimpl B {\n    fn f(&self, n: u8) -> u8 {\n        n\n    }\n}\n";
        assert_eq!(code, format!("\n{expected}"));
        assert!(replaced(&code, "fn nowhere() {}\n").is_err());
    }
}
