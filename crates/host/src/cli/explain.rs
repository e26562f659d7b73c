//! `batchmill explain BATCH JOB`.

use batchmill_core::JobId;
use clap::Args;
use serde_json::{Value, json};

use super::{FormatArgs, Global, StateArgs};
use crate::{
    batches::{self, Found},
    clock,
    control::{Answer, Reasoned, Request, Why},
    exit::Exit,
    logs,
    problems::Refusal,
    refusal, stdout,
};

/// Say why a job waits, or what happened to it
#[derive(Debug, Args)]
#[command(long_about = "\
Say why a job waits, with what stands in its way, as the host that runs its batch knows it; or what happened to it, attempt by
attempt: how it ended, when its retry is due, whether its host died while it ran.")]
pub(crate) struct ExplainArgs {
    /// The batch: its name, the beginning of it, or `last`
    batch: String,

    /// The id of the job: what its line says, or the number of its line
    #[arg(value_parser = super::steer::job_id)]
    job: JobId,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &ExplainArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    answer(args).map_or_else(|refusal| refusal::print(&refusal, &screen), |text| stdout::print(&text))
}

fn answer(args: &ExplainArgs) -> Result<String, Refusal> {
    let (found, format) = (batches::named(&args.state.state, &args.batch)?, args.format.format);
    match live(&found, &args.job)? {
        Some(said) => Ok(format.one(&as_data(&found, &args.job, &said), as_text(&found, &args.job, &said))),
        None => {
            let story = found.story(&args.job)?;
            Ok(format.one(&story.json(), story.text(clock::now())))
        }
    }
}

/// What the host says of a job that has not ended; `None` where the store knows more.
fn live(found: &Found, job: &JobId) -> Result<Option<Reasoned>, Refusal> {
    let Some(answer) = found.ask_if_running(|host| host.ask(&Request::Explain { job: job.clone() })) else {
        return Ok(None);
    };
    match answer {
        Answer::Explained(said) if said.data.get("reason") == Some(&"ended".into()) => Ok(None),
        Answer::Explained(said) => Ok(Some(said)),
        Answer::Refused { why: Why::UnknownJob, message } => Err(Refusal::data(message)),
        _ => Ok(None),
    }
}

fn as_text(found: &Found, job: &JobId, said: &Reasoned) -> String {
    format!("{job} of {}: {}\n", found.id(), said.text)
}

fn as_data(found: &Found, job: &JobId, said: &Reasoned) -> Value {
    let mut value = json!({"batch": found.id(), "job_id": job, "text": said.text});
    if let Value::Object(object) = &mut value {
        object.extend(said.data.clone());
    }
    value
}
