//! A program from outside that runs a case when it is asked to. It lives as long as its suite, so that it pays for its start
//! no more often than Batchmill does.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
};

use crate::measure::Sample;

/// A peer, started when it is asked first. Clones share it.
#[derive(Clone)]
pub(crate) struct Peer(Rc<RefCell<State>>);

enum State {
    Waiting(Command),
    Running(Box<Running>),
    Missing(String),
}

struct Running {
    child: Child,
    /// Taken at the end, which the peer sees as the end of its input.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// The program, or why there is none.
    pub(crate) fn new(command: Result<Command, String>) -> Self {
        Self(Rc::new(RefCell::new(command.map_or_else(State::Missing, State::Waiting))))
    }

    /// Has it run `jobs` jobs of a case.
    pub(crate) fn ask(&self, case: &str, jobs: u32, concurrency: u32) -> Result<Sample, String> {
        let mut state = self.0.borrow_mut();
        if let State::Waiting(command) = &mut *state {
            *state = start(command).map_or_else(State::Missing, |running| State::Running(Box::new(running)));
        }
        match &mut *state {
            State::Running(running) => running.ask(case, jobs, concurrency),
            State::Missing(why) => Err(why.clone()),
            State::Waiting(_) => unreachable!("it was started or is missing"),
        }
    }
}

fn start(command: &mut Command) -> Result<Running, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let (requests, answers) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
    Ok(Running { child, requests, answers: BufReader::new(answers) })
}

impl Running {
    fn ask(&mut self, case: &str, jobs: u32, concurrency: u32) -> Result<Sample, String> {
        let requests = self.requests.as_mut().expect("it is taken at the end only");
        let mut answer = String::new();
        let exchanged = writeln!(requests, "{case} {jobs} {concurrency}")
            .and_then(|()| requests.flush())
            .and_then(|()| self.answers.read_line(&mut answer));
        match exchanged {
            Ok(0) => Err("the peer ended without an answer".to_owned()),
            Ok(_) => sample(answer.trim_end(), jobs),
            Err(error) => Err(format!("the peer does not answer: {error}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.requests.take());
        // It has seen the end of its input; how it ends is of no use to anybody.
        let _ = self.child.wait();
    }
}

/// Reads `ok WALL_SECONDS CPU_SECONDS` or `error WHY`.
fn sample(answer: &str, jobs: u32) -> Result<Sample, String> {
    if let Some(why) = answer.strip_prefix("error ") {
        return Err(why.to_owned());
    }
    let mut numbers = answer.strip_prefix("ok ").unwrap_or_default().split(' ').map(str::parse::<f64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(wall)), Some(Ok(cpu)), None) if wall > 0.0 => Ok(Sample::costing(wall, cpu, jobs).into_rate(jobs)),
        _ => Err(format!("the peer's answer makes no sense: {answer}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Peer {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Peer::new(Ok(command))
    }

    #[test]
    fn a_peer_answers_again_and_again() {
        let peer = shell("while read case jobs concurrency; do echo ok $jobs 0.5; done");
        for jobs in [10, 20] {
            let sample = peer.ask("noop", jobs, 2).unwrap();
            assert_eq!((sample.value, sample.cpu_nanos), (1.0, Some(0.5e9 / f64::from(jobs))));
        }
    }

    #[test]
    fn whatever_goes_wrong_is_said() {
        assert_eq!(shell("read x; echo error no $x").ask("noop", 1, 2).unwrap_err(), "no noop 1 2");
        assert_eq!(shell("read x; echo hello").ask("x", 1, 1).unwrap_err(), "the peer's answer makes no sense: hello");
        assert_eq!(shell("read x").ask("x", 1, 1).unwrap_err(), "the peer ended without an answer");
        assert_eq!(Peer::new(Err("not built".into())).ask("x", 1, 1).unwrap_err(), "not built");
        assert!(Peer::new(Ok(Command::new("no-such-command-anywhere"))).ask("x", 1, 1).is_err());
    }
}
