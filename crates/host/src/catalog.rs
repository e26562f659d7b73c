//! The one list of built-in plugins. Nothing registers itself.

use batchmill_plugin::Registry;

/// All plugins that config and flows may name.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    batchmill_scheduler_fair_share::register(&mut registry);
    batchmill_scheduler_fifo::register(&mut registry);
    batchmill_scheduler_priority::register(&mut registry);
    batchmill_retry_exponential::register(&mut registry);
    batchmill_failure_halt::register(&mut registry);
    batchmill_governor_adaptive::register(&mut registry);
    batchmill_governor_fixed::register(&mut registry);
    batchmill_sink_aggregate::register(&mut registry);
    batchmill_sink_csv::register(&mut registry);
    batchmill_sink_jsonl::register(&mut registry);
    #[cfg(feature = "postgres")]
    batchmill_store_postgres::register(&mut registry);
    batchmill_metrics_prometheus::register(&mut registry);
    batchmill_node_run::register(&mut registry);
    batchmill_node_set::register(&mut registry);
    registry
}
