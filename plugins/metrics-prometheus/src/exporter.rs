//! The exporter: opened by the factory, then installed, served and finished by the host.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{BuildError, CancelSignal, MetricsError, MetricsExporter, format_duration};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{Options, Recorder, http, options::Listen, page::Page, textfile::Textfile};

/// The metrics exporter of kind `prometheus`.
pub struct Prometheus {
    page: Arc<Page>,
    installed: AtomicBool,
    /// Bound when built, so that a taken port is found before any job runs; taken by `serve`.
    listener: Mutex<Option<TcpListener>>,
    address: Option<SocketAddr>,
    textfile: Option<Textfile>,
    textfile_interval: Duration,
    linger: Option<Duration>,
}

impl Prometheus {
    /// Binds the listener and makes sure that the text file can be written. A relative path starts at `directory`.
    pub fn open(options: &Options, directory: &Path) -> Result<Self, BuildError> {
        let listener = options.listen.map(bind).transpose()?;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let textfile = options.textfile.as_ref().map(|path| Textfile::open(directory.join(path))).transpose()?;
        Ok(Self {
            page: Arc::new(Page::new(Recorder::default())),
            installed: AtomicBool::new(false),
            listener: Mutex::new(listener),
            address,
            textfile,
            textfile_interval: options.interval(),
            linger: options.linger.map(Duration::from),
        })
    }

    /// Where it listens: with port 0 in the options, the port that was found.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Answers readers, if it listens.
    async fn answer(&self) -> Result<(), MetricsError> {
        let Some(listener) = take(&self.listener) else {
            return std::future::pending().await;
        };
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|error| failed("the metrics listener could not be used", error))?;
        match http::answer(listener, self.page.clone()).await {}
    }

    /// Writes the text file again and again, if there is one. A full disk must not end the batch, so an error is a warning
    /// when it begins and a line when it is over.
    async fn keep_textfile(&self) {
        let Some(textfile) = &self.textfile else {
            return std::future::pending().await;
        };
        let mut ticks = interval(self.textfile_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let written = self.write(textfile).await;
            match &written {
                Err(error) if !failing => tracing::warn!(%error, "the metrics text file is not up to date"),
                Ok(()) if failing => tracing::info!("the metrics text file is up to date again"),
                _ => {}
            }
            failing = written.is_err();
        }
    }

    /// A disk may hang: that must not hold a thread of the runtime.
    async fn write(&self, textfile: &Textfile) -> Result<(), MetricsError> {
        let (file, turn, text) = (textfile.clone(), textfile.turn(), self.render());
        let written = tokio::task::spawn_blocking(move || file.replace(turn, &text)).await;
        written
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| failed(&format!("the metrics text file {}", textfile.path().display()), error))
    }
}

#[async_trait]
impl MetricsExporter for Prometheus {
    fn install(&self) -> Result<(), MetricsError> {
        if self.installed.swap(true, Ordering::Relaxed) {
            return Err(MetricsError::new("these metrics are installed already"));
        }
        metrics::set_global_recorder(self.page.recorder().clone())
            .map_err(|_| MetricsError::new("other metrics are installed in this process already"))
    }

    async fn serve(&self, stop: CancelSignal) -> Result<(), MetricsError> {
        tokio::select! {
            _ = stop.cancelled() => Ok(()),
            answered = self.answer() => answered,
            () = self.keep_textfile() => Ok(()),
        }
    }

    async fn finish(&self) -> Result<(), MetricsError> {
        self.page.set_final();
        match &self.textfile {
            Some(textfile) => self.write(textfile).await,
            None => Ok(()),
        }
    }

    async fn linger(&self) {
        let Some(limit) = self.linger else { return };
        tracing::info!("the final metrics may be read for {}", format_duration(limit));
        if timeout(limit, self.page.read_to_the_end()).await.is_err() {
            tracing::warn!("nobody has read the final metrics within {}", format_duration(limit));
        }
    }

    fn render(&self) -> String {
        self.page.recorder().render()
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus")
            .field("address", &self.address)
            .field("textfile", &self.textfile)
            .finish_non_exhaustive()
    }
}

fn bind(Listen(address): Listen) -> Result<TcpListener, BuildError> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|error| BuildError::Environment {
        message: match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("metrics cannot listen on {address}: the port is taken; choose another one, or 0 for any")
            }
            _ => format!("metrics cannot listen on {address}: {error}"),
        },
        source: Some(Box::new(error)),
    })
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn failed(place: &str, error: io::Error) -> MetricsError {
    let mut failed = MetricsError::new(format!("{place}: {error}"));
    failed.source = Some(Box::new(error));
    failed
}
