//! The control socket of the batch that runs: others look at it and steer it.

use std::{path::Path, sync::Arc, time::Duration};

use batchmill_executor::{BatchHandle, FlowWorkload, Mill};
use tokio::sync::Notify;

use crate::{
    control::{Control, Desk},
    intake::JsonLines,
    progress::Snapshot,
};

/// What others may do to the batch while it runs.
#[derive(Debug, Default)]
pub(super) struct Steering {
    /// `None` where nothing is kept, so that nobody finds it, or where its folder takes no socket.
    control: Option<Control>,
    drain: Arc<Notify>,
    /// The command that lets a paused batch go on.
    unpause: String,
}

impl Steering {
    /// Listens in the `folder` of the batch, which commands are given as `argument`. A batch that nobody can steer runs all
    /// the same.
    pub(super) fn start(
        folder: &Path,
        argument: &str,
        batch: &BatchHandle<FlowWorkload>,
        mill: &Mill<FlowWorkload>,
        jobs: &Arc<JsonLines>,
        look: impl Fn() -> Snapshot + Send + Sync + 'static,
        drain_limit: Duration,
    ) -> Self {
        let drain = Arc::new(Notify::new());
        let desk = Desk::new(batch, mill, jobs.clone(), look, drain.clone(), drain_limit);
        let control = Control::start(folder, desk);
        let control = control.inspect_err(|error| tracing::warn!(%error, "nobody can steer this batch")).ok();
        Self { control, drain, unpause: format!("batchmill unpause {argument}") }
    }

    /// How a paused batch goes on, as a sentence.
    pub(super) fn unpause(&self) -> String {
        match &self.control {
            Some(_) => format!("`{}` lets it go on.", self.unpause),
            None => "No command can reach it.".to_owned(),
        }
    }

    /// Ready when somebody asks the host to drain.
    pub(super) async fn drain_asked(&self) {
        self.drain.notified().await;
    }

    /// Answers what is asked by now, and goes.
    pub(super) async fn close(self) {
        if let Some(control) = self.control {
            control.close().await;
        }
    }
}
