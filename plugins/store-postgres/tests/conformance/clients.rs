//! Who connects to the server: checkpointers, and tests that ask for rows.

use std::io::Write;

use batchmill_core::BuildContext;
use batchmill_store_postgres::{Options, PostgresCheckpointer};

use crate::server::Server;

impl Server {
    /// Makes checkpointers with the same options, as `change` makes them from the defaults.
    pub(crate) fn opener<F: Fn(&mut Options)>(&self, change: F) -> impl Fn() -> PostgresCheckpointer + Clone + use<F> {
        self.opener_at(&self.url("tester", "postgres"), change)
    }

    /// The same for another connection string.
    pub(crate) fn opener_at<F: Fn(&mut Options)>(
        &self,
        url: &str,
        change: F,
    ) -> impl Fn() -> PostgresCheckpointer + Clone + use<F> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder()).unwrap();
        writeln!(file, "{url}").unwrap();
        let (_, path) = file.keep().unwrap();
        let mut options = Options::from_file(path);
        change(&mut options);
        move || PostgresCheckpointer::new(&options, &BuildContext::default()).unwrap()
    }

    /// Runs SQL as its owner, and returns the rows as text.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = self.url("tester", "postgres");
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let rows = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let text = |row: &tokio_postgres::SimpleQueryRow| {
                (0..row.len()).map(|i| row.get(i).unwrap_or("null")).collect::<Vec<_>>().join(" ")
            };
            rows.iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(text(row)),
                    _ => None,
                })
                .collect()
        })
    }
}
