//! The same checks under valgrind: no access out of bounds, nothing used after it was freed, no jump on what nobody set, on
//! either side of the boundary. Nothing is suppressed.
//!
//! The host is built without its own allocator, whose memory valgrind does not know.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use super::{PROFILE, build, check, folder, needs, target};
use crate::{
    servers,
    steps::{Failed, cargo, is_ci, run},
};

/// One of each kind.
pub(super) const IN_CI: [&str; 5] =
    ["failure-halt", "governor-adaptive", "retry-exponential", "scheduler-fifo", "sink-jsonl"];

/// The example in C, and plugins of the workspace.
pub(super) fn conform(names: &[String]) -> Result<(), Failed> {
    servers::install();
    if !servers::is_installed("valgrind") {
        let why = "valgrind is not installed: apt-get install valgrind";
        println!("skipped: {why}");
        return if is_ci() { Err(Failed::new(why)) } else { Ok(()) };
    }
    let host = host()?;
    println!("retry-c under valgrind");
    watched(&host, &example_in_c()?, &[])?;
    for (name, file) in names.iter().zip(build(names, PROFILE)?) {
        println!("{name} under valgrind");
        watched(&host, &file, needs(name))?;
    }
    Ok(())
}

/// The program with the allocator of the system.
fn host() -> Result<PathBuf, Failed> {
    let build = ["build", "-p", "batchmill-host", "--profile", PROFILE, "--quiet"];
    run(cargo(&build).arg("--no-default-features"))?;
    let (built, placed) = (target().join(PROFILE).join("batchmill"), folder(PROFILE).join("batchmill-system-memory"));
    fs::create_dir_all(folder(PROFILE)).map_err(Failed::new)?;
    fs::copy(&built, &placed).map_err(|error| Failed(format!("{}: {error}", built.display())))?;
    // What others find there is what they expect.
    run(&mut cargo(&build))?;
    Ok(placed)
}

fn example_in_c() -> Result<PathBuf, Failed> {
    let (root, library) = (crate::root(), folder(PROFILE).join("liblinear.so"));
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fPIC", "-shared", "-I"]);
    compiler.arg(root.join("crates/abi/include")).arg("-o").arg(&library);
    run(compiler.arg(root.join("examples/plugins/retry-c/linear.c")))?;
    Ok(library)
}

fn watched(host: &Path, file: &Path, needs: &[&str]) -> Result<(), Failed> {
    let began = Instant::now();
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=no", "--fair-sched=try"]).arg(host);
    check(command.args(["plugin", "check", "--here"]).arg(file).args(needs))?;
    println!("    clean, {} s", began.elapsed().as_secs());
    Ok(())
}
