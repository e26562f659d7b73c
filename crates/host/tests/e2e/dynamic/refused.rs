//! What is refused before anything runs, each with its own message and its place in the config.

use std::{fs, os::unix::fs::PermissionsExt};

use super::stage;
use crate::stage::Stage;

#[track_caller]
fn refused(stage: &Stage, config: &str, message: &str) {
    stage.write("batchmill.toml", config);
    let done = stage.run(&["--output", "out.jsonl"]).expect(78).says(message);
    assert!(!stage.path("out.jsonl").exists(), "nothing runs: {}", done.stderr);
}

fn entry(name: &str, path: &str, more: &str) -> String {
    format!("[[plugins]]\nname = \"{name}\"\npath = \"{path}\"\n{more}\n")
}

#[test]
fn a_plugin_that_must_not_be_loaded_is_refused_at_its_place() {
    let stage = stage(1);
    let path = stage.faulty();
    let shown = path.to_str().unwrap().to_owned();
    let good = entry("batchmill-faulty", &shown, "");

    refused(
        &stage,
        &entry("faulty", "faulty.so", ""),
        "batchmill.toml:3:8: plugins.0.path: faulty.so: the path must be absolute",
    );
    refused(&stage, &entry("other", &shown, ""), "batchmill.toml:2:8: plugins.0.name: ");
    refused(&stage, &entry("other", &shown, ""), "it says that its name is `batchmill-faulty`, not `other`");
    refused(&stage, &entry("x", "/nowhere/x.so", ""), "plugins.0.path: /nowhere/x.so: it cannot be read: No such file");
    refused(
        &stage,
        &format!("{good}{good}"),
        "plugins.1.name: plugin 0 of the list has the same name, `batchmill-faulty`",
    );
    refused(&stage, "[[plugins]]\nname = \"x\"\n", "batchmill.toml:1:1: plugins.0: missing key `path`");
    refused(&stage, &entry("batchmill-faulty", &shown, "colour = 1"), "plugins.0.colour: unknown key `colour`");
    refused(
        &stage,
        &entry("batchmill-faulty", &shown, "on_fault = \"pray\""),
        "`pray` is not \"fail\", \"recreate\" or",
    );
    refused(
        &stage,
        &entry("batchmill-faulty", &shown, "on_fault = \"fallback:nobody\""),
        "plugins.0.on_fault: none of what it brings has a built-in named `nobody`",
    );
    let zeros = "0".repeat(64);
    let message = format!(", pinned is {zeros}");
    refused(&stage, &entry("batchmill-faulty", &shown, &format!("sha256 = \"{zeros}\"")), &message);
    refused(&stage, &entry("batchmill-faulty", &shown, "sha256 = \"12\""), "a sha256 is 64 hexadecimal digits");
    refused(
        &stage,
        &format!("{good}[plugin_loading]\nrequire_pins = true\n"),
        "`require_pins` wants one; its sha256 is ",
    );
    refused(&stage, "[scheduler]\nkind = \"faulty\"\n", "unknown scheduler kind `faulty`");
    refused(
        &stage,
        &format!("{good}[scheduler]\nkind = \"faulty\"\noptions = {{ fautl = 1 }}\n"),
        "unknown key `fautl`, did you mean `fault`?",
    );
    refused(
        &stage,
        &format!("{good}[retry]\nkind = \"faulty\"\noptions = {{ fault = \"none\", after = \"x\" }}\n"),
        "retry.options.after: invalid type",
    );

    stage.write("text.so", "no library\n".repeat(20));
    let text = fs::canonicalize(stage.path("text.so")).unwrap();
    refused(&stage, &entry("x", text.to_str().unwrap(), ""), "this is no dynamic library (ELF)");

    let bytes = fs::read(&path).unwrap();
    for percent in [1, 10, 40, 70, 95] {
        fs::write(&path, &bytes[..bytes.len() * percent / 100]).unwrap();
        refused(&stage, &good, "it is truncated or damaged: ");
    }
    fs::write(&path, &bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    refused(&stage, &good, "others may write to the file ");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    refused(&stage, &good, "others may write to the directory ");
}

#[test]
fn two_plugins_of_one_name_and_kind_are_refused() {
    let stage = stage(1);
    let path = stage.library(&super::built("batchmill-scheduler-fifo"), "fifo.so");
    let config = entry("batchmill-scheduler-fifo", path.to_str().unwrap(), "");
    refused(&stage, &config, "it brings a scheduler named `fifo`, and there is one of this name already");
}

#[test]
fn a_plugin_that_does_not_want_to_be_made_is_refused_with_its_reason() {
    let stage = stage(1);
    stage.config("", "[scheduler]\nkind = \"faulty\"\noptions = { fault = \"refuse-create\" }\n");
    let done = stage.run(&[]).expect(78);
    done.says("scheduler: plugin batchmill-faulty (scheduler faulty): `create` failed: its port is taken");
    stage.config("", "[scheduler]\nkind = \"faulty\"\noptions = { fault = \"panic-create\" }\n");
    let done = stage.run(&[]).expect(78);
    done.says("scheduler: plugin batchmill-faulty (scheduler faulty): `create` panicked: it panics while it is made");
}
