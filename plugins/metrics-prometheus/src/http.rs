//! The one page that is served: `GET /metrics`.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::page::Page;

/// Connections served at once; more wait in the backlog of the listener.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last in all: a client that does not read its answer does not keep its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// What waits after an error of `accept` that concerns this process (no descriptors left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The media type of the text format.
const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers until it is dropped; its connections end with it.
pub(crate) async fn answer(listener: TcpListener, page: Arc<Page>) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = page.clone();
                connections.spawn(async move {
                    let _place = place;
                    // A client that leaves, stalls or sends no HTTP is its own affair.
                    let _ = timeout(CONNECTION_TIMEOUT, converse(stream, &page)).await;
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the metrics listener could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection was gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// One request a connection: an idle keep-alive connection would hold one of few places.
async fn converse(stream: TcpStream, page: &Page) -> hyper::Result<()> {
    let got_final = AtomicBool::new(false);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| std::future::ready(Ok::<_, Infallible>(respond(&request, page, &got_final)))),
        )
        .await?;
    page.sent(got_final.into_inner());
    Ok(())
}

fn respond(request: &Request<Incoming>, page: &Page, got_final: &AtomicBool) -> Response<String> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "only /metrics is here\n");
    }
    if request.method() != Method::GET {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    let copy = page.copy();
    got_final.store(copy.is_final(), Ordering::Relaxed);
    let mut response = Response::new(copy.text);
    response.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
    response
}

fn plain(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::Recorder;

    fn page() -> Arc<Page> {
        let recorder = Recorder::default();
        metrics::with_local_recorder(&recorder, || metrics::gauge!("numbers").set(1.0));
        Arc::new(Page::new(recorder))
    }

    async fn served() -> (SocketAddr, JoinSet<Infallible>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(answer(listener, page()));
        (address, server)
    }

    /// Everything that comes back for `request`, until the server closes.
    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn only_get_metrics_is_answered() {
        let (address, _server) = served().await;
        let answer = exchange(address, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n# TYPE numbers gauge\nnumbers 1\n"), "{answer}");
        for (request, status) in [
            ("GET / HTTP/1.1", "404 Not Found"),
            ("GET /metrics/x HTTP/1.1", "404 Not Found"),
            ("POST /metrics HTTP/1.1", "405 Method Not Allowed"),
            ("HEAD /metrics HTTP/1.1", "405 Method Not Allowed"),
            ("nonsense", "400 Bad Request"),
        ] {
            let answer = exchange(address, &format!("{request}\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
            assert!(!answer.contains("numbers"), "{request}: {answer}");
        }
    }

    /// The clock stands and jumps to the next timer whenever nothing else can happen: no second passes here.
    #[tokio::test(start_paused = true)]
    async fn clients_that_never_finish_their_request_do_not_keep_others_out() {
        let (address, _server) = served().await;
        let mut slow = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:").await.unwrap();
            slow.push(stream);
        }
        let answer = exchange(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.ends_with("numbers 1\n"), "{answer}");
        for mut stream in slow {
            let mut rest = String::new();
            // Closed by the server, with or without a word.
            let _ = stream.read_to_string(&mut rest).await;
            assert!(!rest.contains("numbers"), "{rest}");
        }
    }
}
