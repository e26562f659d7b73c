//! A real Prometheus: Debian's package, on a free port, with its data in the folder of the test.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::stage::{Stage, wait_until};

/// How often it scrapes, and how long a scrape may take.
const SCRAPE: &str = "1s";

/// A server that scrapes one address. Killed when dropped.
pub(crate) struct Prometheus {
    server: Child,
    address: String,
}

impl Prometheus {
    /// Starts a server that scrapes `target`, and waits until it is ready. An error if there is none to start.
    pub(crate) fn start(stage: &Stage, target: &str) -> io::Result<Self> {
        stage.write(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: {SCRAPE}, scrape_timeout: {SCRAPE}}}\n\
                 scrape_configs: [{{job_name: batchmill, static_configs: [{{targets: ['{target}']}}]}}]\n"
            ),
        );
        let address = free_address();
        let log = std::fs::File::create(stage.path("prometheus.log"))?;
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", stage.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", stage.path("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut prometheus = Self { server, address };
        wait_until("a ready Prometheus", || {
            let ended = prometheus.server.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "Prometheus ended: {}", stage.read("prometheus.log"));
            prometheus.get("/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
        });
        Ok(prometheus)
    }

    /// The answer to `query`: a number for each value of the label `by`; the empty value where there is none.
    pub(crate) fn ask(&self, query: &str, by: &str) -> BTreeMap<String, f64> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(query))).expect("Prometheus answers");
        let body = answer.split_once("\r\n\r\n").expect("an answer has a body").1;
        let answer: Value = serde_json::from_str(body).expect("Prometheus answers in JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let samples = answer["data"]["result"].as_array().expect("a vector");
        let number = |sample: &Value| sample["value"][1].as_str().and_then(|text| text.parse().ok());
        let label = |sample: &Value| sample["metric"][by].as_str().unwrap_or_default().to_owned();
        samples.iter().map(|sample| (label(sample), number(sample).expect("a number"))).collect()
    }

    /// The answer to a query for one number; `None` where Prometheus has nothing to say.
    pub(crate) fn number(&self, query: &str) -> Option<f64> {
        self.ask(query, "").into_values().next()
    }

    /// Version 1.0, whose answers end where the connection ends.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// All but letters and digits as `%XX`.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
