//! The page that readers get, and whether one of them has seen the end.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::Recorder;

/// The present numbers. Once they are final, the first reader who got them all is noticed.
#[derive(Debug)]
pub(crate) struct Page {
    recorder: Recorder,
    is_final: AtomicBool,
    read: Notify,
}

/// A page as one reader got it.
pub(crate) struct Copy {
    pub(crate) text: String,
    /// Whether these are the numbers that stay.
    is_final: bool,
}

impl Page {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self { recorder, is_final: AtomicBool::new(false), read: Notify::new() }
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// From here on nothing is counted any more.
    pub(crate) fn set_final(&self) {
        self.is_final.store(true, Ordering::Release);
    }

    /// The numbers of this moment. That they are final must be known before they are read.
    pub(crate) fn copy(&self) -> Copy {
        let is_final = self.is_final.load(Ordering::Acquire);
        Copy { text: self.recorder.render(), is_final }
    }

    /// The reader of a copy has been sent all of it.
    pub(crate) fn sent(&self, is_final: bool) {
        if is_final {
            self.read.notify_one();
        }
    }

    /// Ready when somebody was sent the final numbers.
    pub(crate) async fn read_to_the_end(&self) {
        self.read.notified().await;
    }
}

impl Copy {
    pub(crate) fn is_final(&self) -> bool {
        self.is_final
    }
}
