//! Connections, and one attempt more where one was lost.

use std::{fmt, sync::Arc, time::Duration};

use batchmill_core::{BuildContext, BuildError, CheckpointError};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use tokio::sync::OnceCell;
use tokio_postgres::{Error, NoTls, error::SqlState};

use crate::{
    options::Options,
    place::{self, Place, sentence},
    schema,
    statements::{Statements, quoted},
};

/// The server ends a statement by itself; a connection on which nothing is heard so much later is given up.
const GRACE: Duration = Duration::from_secs(5);

/// The server, for all lanes.
pub(crate) struct Server {
    pool: Pool,
    pub(crate) place: Place,
    statements: Statements,
    pub(crate) history: bool,
    schema: String,
    limit: Duration,
    is_set_up: OnceCell<()>,
}

/// Something to do on a connection, which may be done twice.
pub(crate) trait Work: Sync {
    type Done: Send;

    fn on(&self, client: &Object, statements: &Statements) -> impl Future<Output = Result<Self::Done, Error>> + Send;
}

impl Server {
    /// Reads the connection string; connects to nothing.
    pub(crate) fn new(options: &Options, context: &BuildContext) -> Result<Arc<Self>, BuildError> {
        let (mut config, place) = place::parse(&options.url.read(context)?)?;
        let limit = options.timeout.0;
        let others = config.get_options().map_or_else(String::new, |others| format!("{others} "));
        config.options(format!("{others}-c statement_timeout={}", limit.as_millis()));
        config.connect_timeout(options.connect_timeout.0);
        if config.get_application_name().is_none() {
            config.application_name("batchmill");
        }
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(options.connections.get().into())
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(options.connect_timeout.0))
            .build()
            .map_err(|error| BuildError::environment(error.to_string()))?;
        let statements = Statements::new(&quoted(&options.schema), options.history);
        let (history, schema) = (options.history, options.schema.clone());
        Ok(Arc::new(Self { pool, place, statements, history, schema, limit, is_set_up: OnceCell::new() }))
    }

    /// Does `work`. Where the connection was lost, once more on another: all that is done here may repeat.
    pub(crate) async fn run<W: Work>(&self, work: &W) -> Result<W::Done, CheckpointError> {
        let mut is_first = true;
        loop {
            let client = self.connect().await?;
            let done = tokio::time::timeout(self.limit.saturating_add(GRACE), work.on(&client, &self.statements)).await;
            let error = match done {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => {
                    drop(Object::take(client));
                    return Err(self.place.error(format!("no answer within {:?}", self.limit + GRACE)));
                }
            };
            let is_lost = client.is_closed() || is_end_of_connection(&error);
            if is_lost {
                drop(Object::take(client));
            }
            if !is_lost || !is_first {
                return Err(self.place.error(sentence(&error)));
            }
            tracing::warn!(server = %self.place, error = sentence(&error), "the connection was lost: once more");
            is_first = false;
        }
    }

    async fn connect(&self) -> Result<Object, CheckpointError> {
        let client = self.pool.get().await.map_err(|error| self.not_connected(&error))?;
        let set_up = self.is_set_up.get_or_try_init(|| schema::set_up(&client, &self.schema)).await;
        set_up.map_err(|why| self.place.error(why))?;
        Ok(client)
    }

    fn not_connected(&self, error: &PoolError) -> CheckpointError {
        match error {
            PoolError::Backend(error) => self.place.error(sentence(error)),
            PoolError::Timeout(TimeoutType::Create) => self.place.error("no connection within the time limit"),
            other => self.place.error(other),
        }
    }
}

/// Whether the server ended the connection, on purpose or not.
fn is_end_of_connection(error: &Error) -> bool {
    const ENDS: [SqlState; 5] = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::CONNECTION_FAILURE,
        SqlState::IDLE_SESSION_TIMEOUT,
    ];
    error.is_closed() || error.code().is_some_and(|code| ENDS.contains(code))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).field("schema", &self.schema).finish_non_exhaustive()
    }
}
