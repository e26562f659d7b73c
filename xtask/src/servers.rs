//! Programs of others that tests start themselves: servers, and what makes calls to the system fail.
//!
//! A machine without them is given them where that is possible without asking: on Debian, as root, or by `sudo` in CI.
//! Elsewhere their tests say that they were skipped.

use std::{env, fs, process::Command};

use crate::steps::{is_ci, run};

/// A program that tests start, and the Debian package that has it.
const SERVERS: &[(&str, &str)] = &[
    ("prometheus", "prometheus"),
    ("postgres", "postgresql"),
    ("strace", "strace"),
    ("parallel", "parallel"),
    ("valgrind", "valgrind"),
];

/// Where Debian keeps programs that are not on the search path: one folder a version, with `bin` in it.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Installs the packages that it is given. They bring services, which must not run here: the policy keeps them from being
/// started now, and what is not enabled does not start with the machine.
const INSTALL: &str = r#"set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
fi
install() { apt-get install -y -qq --no-install-recommends "$@" > /dev/null; }
install "$@" 2> /dev/null || { apt-get update -qq && install "$@"; }
if command -v systemctl > /dev/null; then
    for package; do systemctl disable --quiet "$package" || true; done
fi
"#;

/// Installs what is missing. That it could not is no failure here: the tests that need it say so.
pub(crate) fn install() {
    let missing = missing(SERVERS, is_installed);
    let Some(mut command) = (!missing.is_empty() && is_installed("apt-get")).then(as_root).flatten() else { return };
    println!("installing {} for the tests", missing.join(", "));
    if let Err(failed) = run(command.args(["sh", "-c", INSTALL, "sh"]).args(&missing)) {
        println!("{}", failed.0);
    }
}

fn missing(servers: &[(&str, &'static str)], is_installed: impl Fn(&str) -> bool) -> Vec<&'static str> {
    servers.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect()
}

pub(crate) fn is_installed(program: &str) -> bool {
    let on_path =
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    on_path || versions.map(|version| version.path().join("bin").join(program)).any(|program| program.is_file())
}

/// A command that runs its arguments as root, if nobody has to be asked.
fn as_root() -> Option<Command> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if is_root {
        return Some(Command::new("env"));
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("-n");
    is_ci().then_some(sudo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let servers = [("sh", "dash"), ("a-server", "package-of-a-server")];
        assert_eq!(missing(&servers, |program| program == "sh"), ["package-of-a-server"]);
        assert!(is_installed("sh") && !is_installed("no-such-program"));
    }
}
