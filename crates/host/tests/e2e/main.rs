//! The real binary, from outside: what a person at a shell would see.

mod bad_input;
mod bad_sources;
mod batches;
mod commands;
mod each;
mod failures;
mod graph;
mod guard;
mod hints;
mod metrics;
mod parallel;
mod pause;
mod policies;
mod progress;
mod prometheus_server;
mod references;
mod resume;
mod schema;
mod signals;
mod sources;
mod stage;
mod streams;
mod trials;
mod try_one;
