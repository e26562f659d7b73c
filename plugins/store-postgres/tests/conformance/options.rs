//! Options: what is refused, all at once, and what no message shows.

use batchmill_core::{BuildContext, Checkpointer, Options, ThreadId};
use batchmill_plugin::Registry;
use serde_json::{Value, json};

/// Every problem of the options, or of building with them.
fn refused(options: Value) -> Vec<String> {
    let mut registry = Registry::default();
    batchmill_store_postgres::register(&mut registry);
    let factory = registry.get::<dyn Checkpointer>("postgres").unwrap();
    let Value::Object(options) = options else { panic!("options are a table") };
    let options: Options = options;
    match factory.validate(&options) {
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
        Ok(()) => vec![factory.build(&options, &BuildContext::default()).unwrap_err().to_string()],
    }
}

#[test]
fn wrong_options_are_told_all_at_once() {
    assert_eq!(
        refused(json!({
            "url": {"env": "A", "file": "b"}, "schema": "pg_mine", "connections": 65, "timeout": "0s",
            "connect_timeout": "9999h", "histroy": true,
        })),
        [
            "histroy: unknown key `histroy`, did you mean `history`?",
            "url: a secret has one source: { env = \"NAME\" } or { file = \"PATH\" }",
            "schema: belongs to PostgreSQL itself: choose another name",
            "connections: must be 1 to 64",
            "connect_timeout: must be 1ms to 24 days",
            "timeout: must be 1ms to 24 days",
        ]
    );
    assert_eq!(refused(json!({})), ["missing field `url`"]);
    for (url, why) in [
        (json!({}), "url: a secret has one source: { env = \"NAME\" } or { file = \"PATH\" }"),
        (json!({"env": ""}), "url: `env` must be the name of an environment variable"),
        (json!({"file": ""}), "url: `file` must name a file"),
        (json!({"env": "NO_SUCH_VARIABLE"}), "url: environment variable `NO_SUCH_VARIABLE` is not set"),
        (json!({"file": "/no/such/file"}), "url: cannot read `/no/such/file`: No such file or directory (os error 2)"),
    ] {
        assert_eq!(refused(json!({"url": url})), [why], "{url}");
    }
    let plain = refused(json!({"url": "postgres://me:hunter2@db/jobs"}));
    assert_eq!(plain, [r#"url: say where it is, not what it is: { env = "NAME" } or { file = "PATH" }"#]);
    assert_eq!(refused(json!({"url": {"evn": "A"}}))[0], "url.evn: unknown key `evn`, did you mean `env`?");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_with_its_place_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    // Port 1 of this machine: nobody listens there.
    std::fs::write(&file, "postgres://me:hunter2@127.0.0.1:1/jobs\n").unwrap();
    let options = batchmill_store_postgres::Options::from_file(&file);
    let postgres = batchmill_store_postgres::PostgresCheckpointer::new(&options, &BuildContext::default()).unwrap();
    let error = postgres.get(&ThreadId::new("b/1"), None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("PostgreSQL at 127.0.0.1:1, database `jobs`: ") && text.contains("refused"), "{text}");
    let job_error = batchmill_core::JobError::from(error);
    assert_eq!((job_error.class.as_str(), &*job_error.code), ("transient", "checkpoint_failed"));
    for shown in [text, format!("{postgres:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
