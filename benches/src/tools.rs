//! What suites need from outside this program. `cargo xtask bench` prepares it and says in the environment where it is.

use std::{env, path::PathBuf};

/// Something from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The program `batchmill`.
    Host,
    /// The program of `benches/peers`.
    Peers,
    /// A Python that has LangGraph.
    Python,
    /// The command `parallel`.
    Parallel,
    /// The folder of PostgreSQL's programs.
    Postgres,
    /// The folder of plugins as dynamic libraries.
    Plugins,
}

impl Need {
    pub(crate) const ALL: [Self; 6] =
        [Self::Host, Self::Peers, Self::Python, Self::Parallel, Self::Postgres, Self::Plugins];

    /// The name that `cargo xtask bench` knows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Peers => "peers",
            Self::Python => "python",
            Self::Parallel => "parallel",
            Self::Postgres => "postgres",
            Self::Plugins => "plugins",
        }
    }

    /// Where it is, or why it is not there: in `BATCHMILL_BENCH_NAME`, or `BATCHMILL_BENCH_NAME_MISSING`.
    fn look_up(self) -> Result<PathBuf, String> {
        let variable = format!("BATCHMILL_BENCH_{}", self.name().to_uppercase());
        match env::var_os(&variable) {
            Some(path) => Ok(path.into()),
            None => Err(env::var(variable + "_MISSING")
                .unwrap_or_else(|_| format!("{}: not prepared; `cargo xtask bench` does that", self.name()))),
        }
    }
}

/// Everything from outside, as far as it is there.
#[derive(Debug)]
pub(crate) struct Tools(Vec<(Need, Result<PathBuf, String>)>);

impl Tools {
    pub(crate) fn from_environment() -> Self {
        Self(Need::ALL.map(|need| (need, need.look_up())).into())
    }

    /// Its path, or why there is none.
    pub(crate) fn path(&self, need: Need) -> Result<PathBuf, String> {
        let known = self.0.iter().find(|(known, _)| *known == need);
        known.map_or_else(|| Err(format!("{} is unknown", need.name())), |(_, path)| path.clone())
    }
}
