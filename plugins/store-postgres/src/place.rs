//! Where the server is, in words that hold no secret, and what it says.

use std::{error::Error, fmt};

use batchmill_core::{BuildError, CheckpointError};
use tokio_postgres::config::{Config, Host, SslMode};

/// Names the server and its database in messages.
#[derive(Debug, Clone)]
pub(crate) struct Place(String);

impl Place {
    fn of(config: &Config) -> Self {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => format!("{host}:{port}"),
            Some(Host::Unix(folder)) => format!("{}/.s.PGSQL.{port}", folder.display()),
            None => config.get_hostaddrs().first().map_or_else(String::new, |address| format!("{address}:{port}")),
        };
        let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
        Self(format!("PostgreSQL at {host}, database `{database}`"))
    }

    /// What went wrong there.
    pub(crate) fn error(&self, what: impl fmt::Display) -> CheckpointError {
        CheckpointError::new(format!("{self}: {what}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const FORMS: &str = "postgres://user:password@host:5432/database or host=/run/postgresql user=me dbname=jobs";

/// Reads a connection string.
pub(crate) fn parse(url: &str) -> Result<(Config, Place), BuildError> {
    let refuse = |why: String| BuildError::environment(format!("url: {why}"));
    // What the parser stumbled over may be a part of the password: it is not quoted.
    let config: Config = url.parse().map_err(|_| refuse(format!("is no connection string, such as {FORMS}")))?;
    let odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains(['@', ':', '/', '?', '#', '%', ' ']));
    if config.get_hosts().iter().any(odd) {
        return Err(refuse(
            "names a host that is none: in a URL, a password with special characters is percent-encoded".to_owned(),
        ));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refuse("names no host".to_owned()));
    }
    if config.get_ssl_mode() == SslMode::Require {
        return Err(refuse(
            "asks for TLS (`sslmode`), which this build does not speak: use a socket or a tunnel".to_owned(),
        ));
    }
    let place = Place::of(&config);
    Ok((config, place))
}

/// All that an error says: the library's own words stop before the cause.
pub(crate) fn sentence(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let hint = said.detail().or(said.hint()).map_or_else(String::new, |more| format!(" ({more})"));
        return format!("{}{hint}, SQLSTATE {}", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_server_and_database_and_nothing_else() {
        for (url, place) in [
            ("postgres://me:hunter2@db.example:6432/jobs", "PostgreSQL at db.example:6432, database `jobs`"),
            ("host=/run/postgresql user=me", "PostgreSQL at /run/postgresql/.s.PGSQL.5432, database `me`"),
            ("hostaddr=127.0.0.1 port=1 user=me password=hunter2", "PostgreSQL at 127.0.0.1:1, database `me`"),
        ] {
            assert_eq!(parse(url).unwrap().1.to_string(), place, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_a_connection_is_refused_without_its_password() {
        for (url, why) in [
            ("postgres://me:hunter2@db/jobs?sslmode=require", "url: asks for TLS (`sslmode`)"),
            ("user=me password=hunter2", "url: names no host"),
            ("", "url: names no host"),
            ("host=db hunter2=green", "url: is no connection string, such as "),
            ("postgres://me:hunter2@db:hunter2/jobs", "url: is no connection string, such as "),
            ("host=db port=hunter2", "url: is no connection string, such as "),
            ("postgres://me:h@hunter2@db/jobs", "url: names a host that is none: "),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.starts_with(why) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
