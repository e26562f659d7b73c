//! What config may say under `[metrics.options]`.

use std::{borrow::Cow, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use batchmill_core::Problem;
use batchmill_plugin::HumanDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How often the text file is written where `textfile_interval` is absent.
const DEFAULT_TEXTFILE_INTERVAL: Duration = Duration::from_secs(10);

/// The options of `prometheus`. At least one of `listen` and `textfile` is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The IP address and port that answer `GET /metrics`, for example `127.0.0.1:9464`; port 0 takes any free one.
    /// Absent: nothing listens. A port that is taken stops the host before any job runs.
    pub listen: Option<Listen>,
    /// Whether `listen` may be reachable from other machines. Whoever reaches it reads all metrics: no password is asked.
    pub allow_remote: bool,
    /// The file that receives the metrics, replaced as a whole each time; relative to the folder of the config file. The
    /// textfile collector of the node exporter reads files whose name ends with `.prom`. Absent: no file is written.
    pub textfile: Option<PathBuf>,
    /// How often `textfile` is written while the host runs, default `10s`. It is written once more at the end.
    pub textfile_interval: Option<HumanDuration>,
    /// How long the program stays at most after the end of the batch, so that somebody reads the final numbers from
    /// `listen`; it leaves as soon as one reader has them. Absent: it leaves at once, and what happened since the last
    /// scrape is never seen by a scraper. Make it longer than the scrape interval.
    pub linger: Option<HumanDuration>,
}

impl Options {
    /// How often the text file is written.
    pub fn interval(&self) -> Duration {
        self.textfile_interval.map_or(DEFAULT_TEXTFILE_INTERVAL, Duration::from)
    }

    /// What types cannot say.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.listen.is_none() && self.textfile.is_none() {
            problems.push(Problem::new(
                ["listen"],
                "is needed, or else `textfile`: nobody could read these metrics; write for example `127.0.0.1:9464`",
            ));
        }
        match self.listen {
            Some(Listen(address)) if !address.ip().is_loopback() && !self.allow_remote => problems.push(Problem::new(
                ["listen"],
                format!(
                    "{address} can be reached from other machines, and /metrics asks for no password; listen on \
                     127.0.0.1, or say `allow_remote = true` if this is meant"
                ),
            )),
            None if self.allow_remote => {
                problems.push(Problem::new(["allow_remote"], "means nothing without `listen`"));
            }
            _ => {}
        }
        if self.textfile.as_ref().is_some_and(|path| path.file_name().is_none()) {
            problems.push(Problem::new(["textfile"], "is not the path of a file"));
        }
        match self.textfile_interval {
            Some(interval) if interval.0.is_zero() => {
                problems.push(Problem::new(["textfile_interval"], "must be above 0"));
            }
            Some(_) if self.textfile.is_none() => {
                problems.push(Problem::new(["textfile_interval"], "means nothing without `textfile`"));
            }
            _ => {}
        }
        match self.linger {
            Some(linger) if linger.0.is_zero() => problems.push(Problem::new(["linger"], "must be above 0")),
            Some(_) if self.listen.is_none() => {
                problems.push(Problem::new(["linger"], "means nothing without `listen`"));
            }
            _ => {}
        }
        problems
    }
}

/// The address of a listener: an IP address and a port. Names are not looked up, so that it is plain what is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Listen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IP address and port such as \"127.0.0.1:9464\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse().map(Listen).map_err(|_| {
                    E::custom(format!(
                        "`{text}` is not an IP address with a port; write for example `127.0.0.1:9464` or `[::1]:9464`"
                    ))
                })
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An IP address and a port.",
            "examples": ["127.0.0.1:9464", "[::1]:9464"],
        })
    }
    fn inline_schema() -> bool {
        true
    }
}
