//! The plugin in C and the host's side of its calls under valgrind: no access out of bounds, nothing used after it was freed.

use std::{env, fs::OpenOptions, io::Write, process::Command};

const TEST: &str = "c_plugin::a_plugin_in_c_decides_and_keeps_the_contract";

#[test]
fn a_plugin_in_c_and_its_host_are_clean_under_valgrind() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skipped("valgrind is not there (Debian: valgrind)");
    }
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=no", "--track-origins=no"]);
    command.arg(env::current_exe().unwrap()).args(["--exact", TEST, "--nocapture"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// In the form that `cargo xtask test` gathers.
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    if let Some(path) = env::var_os("BATCHMILL_SKIPS") {
        let mut skips = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(skips, "valgrind: {why}").unwrap();
    }
}
