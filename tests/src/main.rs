//! Proofs that take a program of their own: `crash` kills a host again and again and holds what is left against what the
//! jobs themselves wrote down. `cargo xtask crash` builds and runs it.

mod crash;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let ended = match arguments.next().as_deref() {
        Some("crash") => crash::run(&arguments.collect::<Vec<_>>()),
        // What the jobs of `crash` run: it is the same program, so that there is no second one to build.
        Some("job") => crash::job(&arguments.collect::<Vec<_>>()),
        _ => Err("usage: batchmill-tests crash --binary FILE [--kills N | --terms N] [--jobs N] [--seed N] [--keep]"
            .to_owned()),
    };
    match ended {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
