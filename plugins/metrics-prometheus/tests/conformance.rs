//! The exporter as the host sees it: through the registry, by its options, as a trait object.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use batchmill_core::{BuildContext, BuildError, CancelReason, CancelSignal, Factory, MetricsExporter, Options};
use batchmill_metrics_prometheus::{FAMILIES, Kind, Prometheus};
use batchmill_plugin::Registry;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn factory() -> Arc<dyn Factory<dyn MetricsExporter>> {
    let mut registry = Registry::default();
    batchmill_metrics_prometheus::register(&mut registry);
    registry.get::<dyn MetricsExporter>("prometheus").unwrap().clone()
}

fn options(options: &Value) -> Options {
    options.as_object().unwrap().clone()
}

fn problems(of: &Value) -> Vec<String> {
    factory().validate(&options(of)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn build(of: &Value, folder: &Path) -> Result<Box<dyn MetricsExporter>, BuildError> {
    factory().build(&options(of), &BuildContext::new(folder))
}

#[test]
fn good_options_have_no_problems() {
    for good in [
        json!({"listen": "127.0.0.1:9464"}),
        json!({"listen": "[::1]:0"}),
        json!({"listen": "0.0.0.0:9464", "allow_remote": true}),
        json!({"textfile": "batchmill.prom", "textfile_interval": "1m"}),
        json!({"listen": "127.0.0.1:9464", "textfile": "batchmill.prom"}),
        json!({"listen": "127.0.0.1:9464", "linger": "30s"}),
    ] {
        assert_eq!(problems(&good), [""; 0], "{good}");
    }
}

#[test]
fn bad_options_are_refused_with_the_mend() {
    for (bad, expected) in [
        (
            json!({}),
            "listen: is needed, or else `textfile`: nobody could read these metrics; write for example `127.0.0.1:9464`",
        ),
        (
            json!({"listen": "localhost"}),
            "listen: `localhost` is not an IP address with a port; write for example `127.0.0.1:9464` or `[::1]:9464`",
        ),
        (
            json!({"listen": "0.0.0.0:9464"}),
            "listen: 0.0.0.0:9464 can be reached from other machines, and /metrics asks for no password; listen on \
             127.0.0.1, or say `allow_remote = true` if this is meant",
        ),
        (json!({"textfile": "x.prom", "allow_remote": true}), "allow_remote: means nothing without `listen`"),
        (json!({"textfile": ".."}), "textfile: is not the path of a file"),
        (json!({"textfile": "x.prom", "textfile_interval": "0s"}), "textfile_interval: must be above 0"),
        (
            json!({"listen": "127.0.0.1:0", "textfile_interval": "5s"}),
            "textfile_interval: means nothing without `textfile`",
        ),
        (json!({"textfile": "x.prom", "linger": "30s"}), "linger: means nothing without `listen`"),
        (json!({"listen": "127.0.0.1:0", "linger": "0s"}), "linger: must be above 0"),
        (
            json!({"listen": "127.0.0.1:0", "textfiel": "x.prom"}),
            "textfiel: unknown key `textfiel`, did you mean `textfile`?",
        ),
    ] {
        assert_eq!(problems(&bad), [expected], "{bad}");
        let refused = build(&bad, Path::new(".")).unwrap_err();
        assert!(matches!(refused, BuildError::Options(_)), "{bad}: {refused}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let found = problems(&json!({"listen": 9464, "lisen": "x", "textfile": "x.prom", "textfile_interval": "0s"}));
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn a_taken_port_is_found_when_it_is_built() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = build(&json!({"listen": address}), Path::new(".")).unwrap_err();
    assert!(matches!(error, BuildError::Environment { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("metrics cannot listen on {address}: the port is taken; choose another one, or 0 for any")
    );
}

#[test]
fn a_text_file_in_a_missing_folder_is_found_when_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let error = build(&json!({"textfile": "missing/x.prom"}), folder.path()).unwrap_err();
    assert!(matches!(error, BuildError::Environment { .. }), "{error:?}");
    assert!(error.to_string().contains("missing/x.prom cannot be written"), "{error}");
}

/// The only test that installs: the recorder belongs to the process, and `cargo test` runs a file's tests in one.
#[tokio::test]
async fn one_life_of_an_exporter() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        serde_json::from_value(json!({"listen": "127.0.0.1:0", "textfile": "x.prom", "linger": "1h"})).unwrap();
    let exporter = Prometheus::open(&options, folder.path()).unwrap();
    let address = exporter.address().unwrap().to_string();
    assert!(!folder.path().join("x.prom").exists(), "building writes nothing");

    exporter.install().unwrap();
    let again = exporter.install().unwrap_err();
    assert_eq!(again.to_string(), "these metrics are installed already");
    let other = build(&json!({"textfile": "other.prom"}), folder.path()).unwrap();
    let refused = other.install().unwrap_err();
    assert_eq!(refused.to_string(), "other metrics are installed in this process already");

    metrics::counter!("batchmill_attempts_total", "outcome" => "succeeded").increment(3);
    metrics::histogram!("batchmill_job_duration_seconds").record(0.3);

    let exporter: Arc<dyn MetricsExporter> = Arc::new(exporter);
    let stop = CancelSignal::new();
    let serving = tokio::spawn({
        let (exporter, stop) = (exporter.clone(), stop.clone());
        async move { exporter.serve(stop).await }
    });
    let answer = get(&address).await;
    for line in [
        "# TYPE batchmill_attempts_total counter",
        "batchmill_attempts_total{outcome=\"succeeded\"} 3",
        "# TYPE batchmill_job_duration_seconds histogram",
        "batchmill_job_duration_seconds_bucket{le=\"0.25\"} 0",
        "batchmill_job_duration_seconds_bucket{le=\"0.5\"} 1",
    ] {
        assert!(answer.lines().any(|l| l == line), "{line} in\n{answer}");
    }

    metrics::counter!("batchmill_attempts_total", "outcome" => "succeeded").increment(1);
    exporter.finish().await.unwrap();
    let written = fs::read_to_string(folder.path().join("x.prom")).unwrap();
    assert!(written.contains("\nbatchmill_attempts_total{outcome=\"succeeded\"} 4\n"), "{written}");
    assert_eq!(written, exporter.render());

    // What was read before the end does not count: it was not all.
    let lingering = tokio::spawn({
        let exporter = exporter.clone();
        async move { exporter.linger().await }
    });
    tokio::task::yield_now().await;
    assert!(!lingering.is_finished());
    assert!(get(&address).await.ends_with(&written), "the last reader gets what is in the file");
    lingering.await.unwrap();

    stop.cancel(CancelReason::Stop);
    serving.await.unwrap().unwrap();
    TcpStream::connect(&address).await.expect_err("nobody listens any more");

    count_every_family();
    promtool_agrees(&exporter.render());
}

/// The clock stands and jumps from timer to timer.
#[tokio::test(start_paused = true)]
async fn it_lingers_no_longer_than_it_was_told_and_not_at_all_unless_told() {
    for (options, seconds) in [
        (json!({"listen": "127.0.0.1:0"}), 0),
        (json!({"textfile": "x.prom"}), 0),
        (json!({"listen": "127.0.0.1:0", "linger": "30s"}), 30),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let exporter = build(&options, folder.path()).unwrap();
        exporter.finish().await.unwrap();
        let before = tokio::time::Instant::now();
        exporter.linger().await;
        assert_eq!(before.elapsed().as_secs(), seconds, "{options}");
    }
}

/// The clock stands and jumps from timer to timer.
#[tokio::test(start_paused = true)]
async fn the_text_file_is_written_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.prom");
    let exporter = build(&json!({"textfile": path, "textfile_interval": "1h"}), folder.path()).unwrap();
    let stop = CancelSignal::new();
    let seen = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(60));
        while !path.exists() {
            ticks.tick().await;
        }
        fs::remove_file(&path).unwrap();
        while !path.exists() {
            ticks.tick().await;
        }
        stop.cancel(CancelReason::Stop);
    };
    let (served, ()) = tokio::join!(exporter.serve(stop.clone()), seen);
    served.unwrap();
}

async fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn count_every_family() {
    for family in FAMILIES {
        let labels: Vec<(&str, &str)> = family.labels.iter().map(|label| (*label, "a \"value\"\n")).collect();
        match family.kind {
            Kind::Counter => metrics::counter!(family.name, &labels).increment(1),
            Kind::Gauge => metrics::gauge!(family.name, &labels).set(0.5),
            Kind::Histogram(_) => metrics::histogram!(family.name, &labels).record(0.5),
            other => panic!("{other:?} is not counted here"),
        }
    }
}

/// Holds the text against Prometheus's own check, where it is installed.
fn promtool_agrees(text: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Ok(promtool) => promtool,
        Err(error) => return skipped(&format!("promtool not found ({error})")),
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("BATCHMILL_SKIPS") {
        let mut skips = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(skips, "promtool check of the metrics text: {reason}").unwrap();
    }
}
