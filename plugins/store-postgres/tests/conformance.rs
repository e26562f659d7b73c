//! Checkpoints in a real PostgreSQL, which the tests start themselves.

#[path = "conformance/clients.rs"]
mod clients;
#[path = "conformance/options.rs"]
mod options;
#[path = "conformance/restarts.rs"]
mod restarts;
#[path = "conformance/server.rs"]
mod server;
#[path = "conformance/tables.rs"]
mod tables;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use batchmill_testkit::checkpointer::{Subject, run};

use crate::server::Server;

/// Each case has a schema of its own.
fn kit(server: &Server, history: bool) {
    let cases = AtomicU32::new(0);
    let report = run(|| {
        let schema = format!("kit {history} {}", cases.fetch_add(1, Ordering::Relaxed));
        let open = server.opener(move |options| (options.schema, options.history) = (schema.clone(), history));
        let subject = Subject::shared(Arc::new(open())).reopened_by(move || Arc::new(open()));
        if history { subject } else { subject.only_latest() }
    });
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0]);
}

#[test]
fn it_keeps_the_latest_checkpoint_of_each_thread_as_the_contract_says() {
    if let Some(server) = Server::start("checkpoints in PostgreSQL") {
        kit(&server, false);
    }
}

#[test]
fn it_keeps_every_checkpoint_as_the_contract_says() {
    if let Some(server) = Server::start("checkpoints in PostgreSQL, with their history") {
        kit(&server, true);
    }
}
