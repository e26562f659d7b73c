//! Projects that `plugin new` makes: they compile, keep their contracts, and run in a batch.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{all_succeeded, stage};
use crate::stage::{Stage, records};

const KINDS: &[&str] = &["scheduler", "retry", "failure", "governor", "sink"];

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("the checkout")
}

/// Where projects are made: always the same place, so that cargo knows what it has built.
fn fresh(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for projects");
    folder
}

/// `batchmill plugin new`, over this checkout.
fn made(kind: &str, name: &str, folder: &Path) -> PathBuf {
    let mut new = Command::new(env!("CARGO_BIN_EXE_batchmill"));
    succeeded(new.args(["plugin", "new", kind, name, "--path"]).arg(root()).current_dir(folder));
    folder.join(name)
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The command of the project's README that builds the library, in the profile of this test and into its folder.
fn built(project: &Path, name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_batchmill")).parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["rustc", "--quiet", "--offline", "--lib", "--crate-type", "cdylib", "--", "--cfg", "batchmill_export"]);
    cargo.current_dir(project).env("CARGO_TARGET_DIR", target).env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    succeeded(&mut cargo);
    target.join("debug").join(format!("lib{}.so", name.replace('-', "_")))
}

#[test]
fn a_project_of_each_kind_compiles_keeps_its_contract_and_runs_in_a_batch() {
    let (projects, stage) = (fresh("authored"), stage(20));
    let mut config = String::new();
    for kind in KINDS {
        let name = format!("my-{kind}");
        let project = made(kind, &name, &projects);
        let library = stage.library(&built(&project, &name), &format!("{name}.so"));

        let readme = fs::read_to_string(project.join("README.md")).unwrap();
        let check = readme.lines().find(|line| line.starts_with("$ batchmill plugin check ")).expect("its command");
        let mut args = vec!["plugin", "check", library.to_str().unwrap()];
        if *kind == "sink" {
            let options = [r#"{"path": "{dir}/results.jsonl"}"#, "{dir}/results.jsonl"];
            assert!(check.ends_with(&format!("--options '{}' --stored '{}'", options[0], options[1])), "{check}");
            args.extend(["--options", options[0], "--stored", options[1]]);
        }
        let checked = stage.batchmill(&args).expect(0).stdout;
        assert!(checked.contains(&format!("{kind} {name}: {kind} kit: ")), "{checked}");
        // A project that ignores the ends of attempts tells its host so.
        assert!(!checked.contains("hears_finish is true"), "{checked}");
        assert!(checked.ends_with(&format!("{name} 0.1.0: it keeps its contracts\n")), "{checked}");

        // The config of its README, with the library where it is.
        let section = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a config");
        let there = format!("/opt/batchmill/plugins/lib{}.so", name.replace('-', "_"));
        assert!(section.contains(&there), "{section}");
        config.push_str(&section.replace(&there, library.to_str().unwrap()));
    }
    stage.write("batchmill.toml", config);
    stage.run(&["--output", "out.jsonl"]).expect(0);
    all_succeeded(&records(&stage.read("out.jsonl")), 20);
    assert_eq!(records(&stage.read("kept.jsonl")).len(), 20, "the sink of the project has them too");
}

#[test]
fn what_cannot_be_a_project_is_refused_and_nothing_is_made() {
    let stage = Stage::new();
    let new = |args: &[&str]| stage.batchmill(&[&["plugin", "new"], args].concat());
    new(&["governess", "mine"]).expect(2).says("scheduler, retry, failure, governor, sink");
    new(&["retry", "Mine"]).expect(2).says("1 to 63 characters of a-z, 0-9, `-` and `_`");
    new(&["retry", "../mine"]).expect(2).says("1 to 63 characters");
    new(&["retry", "exponential"]).expect(2).says("a plugin of this name is built in");
    new(&["retry", "match"]).expect(2).says("no crate can have this name");
    new(&["retry", "mine", "--path", "nowhere"]).expect(65).says("--path nowhere: No such file");
    new(&["retry", "mine", "--path", "."]).expect(65).says("this is no checkout of Batchmill");
    assert!(!stage.path("mine").exists());
    new(&["retry", "mine"]).expect(0);
    let manifest = stage.read("mine/Cargo.toml");
    assert!(manifest.contains(&format!("batchmill-plugin = \"{}\"", env!("CARGO_PKG_VERSION"))), "{manifest}");
    new(&["failure", "mine"]).expect(65).says("mine: it exists already");
    assert_eq!(stage.read("mine/Cargo.toml"), manifest);
}
