//! A plugin of today in a host of yesterday, which is written in C; the same under valgrind.

use std::process::Command;

use crate::stage::{Stage, skipped};

/// The host that ends behind `log`.
fn build(stage: &Stage) -> std::path::PathBuf {
    let program = stage.path("old_host");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g"])
        .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../abi/include"))
        .arg("-o")
        .arg(&program)
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/dynamic/old_host.c"), "-ldl"])
        .output()
        .expect("a C compiler is needed to build Batchmill, and for its tests");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    program
}

#[test]
fn a_plugin_does_with_a_host_that_has_fewer_services() {
    let stage = Stage::new();
    let output = Command::new(build(&stage)).arg(stage.faulty()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("all as it should be"), "{said}");
}

#[test]
fn a_plugin_in_rust_is_clean_under_valgrind() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skipped("valgrind", "valgrind is not there (Debian: valgrind)");
    }
    let stage = Stage::new();
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=no"]).arg(build(&stage)).arg(stage.faulty());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("all as it should be"), "{said}");
}
