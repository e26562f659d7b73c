//! Logs: to stderr, as text or JSON lines, warnings unless asked for more.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    cli::{Global, LogFormat},
    screen::Screen,
};

/// Starts logging. Called once, before anything is logged.
pub(crate) fn start(global: &Global, screen: &Screen) {
    let layer = layer(global.log_format, screen.clone());
    let started = Registry::default().with(layer.with_filter(filter(global.quiet, global.verbose))).try_init();
    debug_assert!(started.is_ok(), "logging is started once");
}

fn layer(format: LogFormat, screen: Screen) -> Box<dyn Layer<Registry> + Send + Sync> {
    let colour = screen.paint().colour;
    match format {
        LogFormat::Text => Box::new(fmt::layer().with_writer(screen).with_ansi(colour).with_target(false)),
        LogFormat::Json => Box::new(fmt::layer().json().flatten_event(true).with_ansi(false).with_writer(screen)),
    }
}

/// -v is about Batchmill; what its libraries say only matters to somebody who wants everything.
fn filter(quiet: bool, verbose: u8) -> Targets {
    let own = match verbose {
        _ if quiet => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let others = match own {
        LevelFilter::ERROR => LevelFilter::ERROR,
        LevelFilter::TRACE => LevelFilter::DEBUG,
        _ => LevelFilter::WARN,
    };
    Targets::new().with_target("batchmill", own).with_default(others)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn verbose_is_about_batchmill_and_its_crates() {
        let shows = |quiet, verbose, target, level| filter(quiet, verbose).would_enable(target, &level);
        assert!(shows(false, 0, "batchmill_executor::run", Level::WARN));
        assert!(!shows(false, 0, "batchmill_executor::run", Level::INFO));
        assert!(shows(false, 1, "batchmill", Level::INFO));
        assert!(!shows(false, 2, "hyper", Level::INFO));
        assert!(shows(false, 3, "hyper", Level::DEBUG));
        assert!(!shows(true, 0, "batchmill", Level::WARN));
    }
}
