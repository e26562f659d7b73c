//! One line of a jobs file: a job, or everything that is wrong with it.

use std::time::Duration;

use batchmill_core::{JobId, Priority, StateData, Tenant, WallTime, nearest, parse_duration};
use memchr::memmem;
use serde_json::Value;

use super::{
    cursor::MARK,
    json::{self, Member, Mistake},
};

/// The names that make a line a job, not an input. `flow` is reserved: one day a line will bring its own graph.
const NAMES: [&str; 10] = ["id", "input", "priority", "tenant", "cost", "timeout", "key", "after", "deadline", "flow"];

/// A job as its line says it; what is absent has its default elsewhere.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: Option<JobId>,
    pub(crate) input: StateData,
    pub(crate) priority: Option<Priority>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) cost: Option<f64>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) key: Option<String>,
    pub(crate) after: Option<WallTime>,
    pub(crate) deadline: Option<WallTime>,
}

/// Whether a line has content. Blank lines are skipped; they count as lines.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Reads a line. `input_is_line`: every line is an input, whatever its names.
pub(crate) fn parse(bytes: &[u8], input_is_line: bool) -> Result<Line, Vec<Mistake>> {
    if bytes.starts_with(MARK) {
        return Err(vec![Mistake::at(0, MARK_MEND)]);
    }
    let text = text(bytes).map_err(|mistake| vec![mistake])?;
    if let Some(input) = plain_input(text, input_is_line) {
        return Ok(Line { input, ..Line::default() });
    }
    let members = members(text).map_err(|mistake| vec![mistake])?;
    let is_input = input_is_line || !members.iter().any(|member| NAMES.contains(&member.name.as_ref()));
    if is_input {
        let input = object(text, "a job line").map_err(|mistake| vec![mistake])?;
        return Ok(Line { input, ..Line::default() });
    }
    from_members(&members)
}

/// Most lines are good and are inputs: one look is enough for them. `None` for any other line.
fn plain_input(text: &str, input_is_line: bool) -> Option<StateData> {
    // It would be read for nothing.
    if !input_is_line && memmem::find(text.as_bytes(), b"\"input\"").is_some() {
        return None;
    }
    let Ok(Value::Object(input)) = json::parse(text) else { return None };
    (input_is_line || !NAMES.iter().any(|name| input.contains_key(*name))).then_some(input)
}

/// What is said of a byte order mark where it would be data.
pub(crate) const MARK_MEND: &str = "starts with a byte order mark; remove it (`sed '1s/^\\xEF\\xBB\\xBF//'`)";

/// The bytes of one line as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Mistake> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("not UTF-8: byte 0x{:02X} at byte {} of the line", bytes[at], at + 1);
        Mistake::at(at, message)
    })
}

fn members(text: &str) -> Result<Vec<Member<'_>>, Mistake> {
    if text.trim_start().starts_with('{') {
        return json::members(text);
    }
    let offset = text.len() - text.trim_start().len();
    let begins_as_json = text[offset..].starts_with(['[', '"']);
    // What some other program listed, piped in as xargs takes it: one mend for every such line.
    let in_place = |mistake| if begins_as_json { mistake } else { Mistake::at(offset, PLAIN) };
    let found = json::describe(&json::parse(text).map_err(in_place)?);
    Err(Mistake::at(offset, format!("a job must be a JSON object, found {found}")))
}

/// What is said of a line that does not even begin as JSON does.
const PLAIN: &str = "not JSON: a job is an object such as {\"n\": 1}; plain lines are read with lines:FILE or lines:-";

fn object(text: &str, what: &str) -> Result<StateData, Mistake> {
    match json::parse(text)? {
        Value::Object(object) => Ok(object),
        other => Err(Mistake::at(0, format!("{what} must be an object, found {}", json::describe(&other)))),
    }
}

fn from_members(members: &[Member<'_>]) -> Result<Line, Vec<Mistake>> {
    let mut line = Line::default();
    let mut mistakes = Vec::new();
    for (index, member) in members.iter().enumerate() {
        if members[..index].iter().any(|earlier| earlier.name == member.name) {
            mistakes.push(Mistake::at(member.name_offset, json::duplicate_key(&member.name)));
        } else if let Err(mistake) = line.take(member) {
            mistakes.push(mistake);
        }
    }
    if !members.iter().any(|member| member.name == "input") {
        // Not a job, so what the other names hold is beside the point.
        mistakes = vec![without_input(members)];
    }
    if mistakes.is_empty() { Ok(line) } else { Err(mistakes) }
}

fn without_input(members: &[Member<'_>]) -> Mistake {
    let Some(name) = members.iter().find(|member| NAMES.contains(&member.name.as_ref())) else {
        return Mistake::at(0, "no `input`");
    };
    let message = format!(
        "`{0}` without `input`: write {{\"{0}\": …, \"input\": {{…}}}}, or take lines as inputs with --input-is-line",
        name.name
    );
    Mistake::at(name.name_offset, message)
}

impl Line {
    fn take(&mut self, member: &Member<'_>) -> Result<(), Mistake> {
        let place = member.value_offset;
        let here = |mistake: Mistake| mistake.shifted(place);
        if member.name == "input" {
            self.input = object(member.value, "`input`").map_err(here)?;
            return Ok(());
        }
        if !NAMES.contains(&member.name.as_ref()) {
            return Err(Mistake::at(member.name_offset, unknown_name(&member.name)));
        }
        let value = json::parse(member.value).map_err(here)?;
        let bad = |message: String| Mistake::at(place, message);
        match member.name.as_ref() {
            "id" => self.id = Some(id(&value).map_err(bad)?),
            "priority" => self.priority = Some(Priority::try_from(&value).map_err(|error| bad(error.to_string()))?),
            "tenant" => self.tenant = Some(tenant(&value).map_err(bad)?),
            "cost" => self.cost = Some(cost(&value).map_err(bad)?),
            "timeout" => self.timeout = Some(timeout(&value).map_err(bad)?),
            "key" => self.key = Some(key(&value).map_err(bad)?),
            "after" => self.after = Some(moment("after", &value).map_err(bad)?),
            "deadline" => self.deadline = Some(moment("deadline", &value).map_err(bad)?),
            _ => return Err(Mistake::at(member.name_offset, "`flow` is reserved; all jobs of a batch run its flow")),
        }
        Ok(())
    }
}

fn unknown_name(name: &str) -> String {
    let usable = &NAMES[..NAMES.len() - 1];
    match nearest(name, usable.iter().copied()) {
        Some(near) => format!("unknown name `{name}` beside `input`, did you mean `{near}`?"),
        None => format!(
            "unknown name `{name}` beside `input`; data belong inside `input` (known are: {}), or take lines as inputs with --input-is-line",
            usable.join(", ")
        ),
    }
}

fn string<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{name} must be a text, found {}", json::describe(value)))
}

fn id(value: &Value) -> Result<JobId, String> {
    if let Value::Number(number) = value {
        return Err(format!("id must be a text, found {number}; write \"{number}\""));
    }
    JobId::new(string("id", value)?).map_err(|error| error.to_string())
}

fn tenant(value: &Value) -> Result<Tenant, String> {
    Tenant::new(string("tenant", value)?).map_err(|error| format!("tenant: {error}"))
}

/// The rules of ids: an idempotency key goes into headers and environment variables.
fn key(value: &Value) -> Result<String, String> {
    let text = string("key", value)?;
    JobId::new(text).map_err(|error| format!("key: {error}"))?;
    Ok(text.to_owned())
}

fn cost(value: &Value) -> Result<f64, String> {
    let cost = value.as_f64().filter(|cost| cost.is_finite() && *cost > 0.0);
    cost.ok_or_else(|| format!("cost must be a number above 0, found {}", json::describe(value)))
}

fn timeout(value: &Value) -> Result<Duration, String> {
    let duration = parse_duration(string("timeout", value)?).map_err(|error| format!("timeout: {error}"))?;
    if duration.is_zero() { Err("timeout must be longer than 0s".to_owned()) } else { Ok(duration) }
}

fn moment(name: &str, value: &Value) -> Result<WallTime, String> {
    let text = string(name, value)?;
    WallTime::parse(text).ok_or_else(|| {
        format!("{name}: `{text}` is not an RFC 3339 moment; write for example \"2026-11-23T12:00:00Z\"")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(text: &str) -> Value {
        Value::Object(parse(text.as_bytes(), false).unwrap().input)
    }

    fn mistakes(text: &str) -> Vec<String> {
        let mistakes = parse(text.as_bytes(), false).unwrap_err();
        mistakes.iter().map(|m| format!("{}: {}", m.offset.unwrap() + 1, m.message)).collect()
    }

    #[test]
    fn a_line_without_the_names_of_a_job_is_the_input() {
        assert_eq!(input(r#"{"path": "a", "size": 3}"#), json!({"path": "a", "size": 3}));
        assert_eq!(input("{}"), json!({}));
        let line = parse(br#"{"id": "x", "path": "a"}"#, true).unwrap();
        assert_eq!((line.id, Value::Object(line.input)), (None, json!({"id": "x", "path": "a"})));
    }

    #[test]
    fn a_line_with_input_is_a_job() {
        let text = r#"{"id":"a","input":{"n":1},"priority":9,"tenant":"t","cost":2.5,"timeout":"30s","key":"k",
            "after":"2026-11-23T12:00:00Z","deadline":"2026-11-24T12:00:00+01:00"}"#
            .replace('\n', " ");
        let line = parse(text.as_bytes(), false).unwrap();
        assert_eq!(line.id, Some(JobId::new("a").unwrap()));
        assert_eq!(Value::Object(line.input), json!({"n": 1}));
        assert_eq!((line.priority, line.cost), (Some(Priority(9)), Some(2.5)));
        assert_eq!((line.tenant, line.key.as_deref()), (Some(Tenant::new("t").unwrap()), Some("k")));
        assert_eq!(line.timeout, Some(Duration::from_secs(30)));
        assert_eq!(line.after, WallTime::parse("2026-11-23T12:00:00Z"));
        assert_eq!(line.deadline, WallTime::parse("2026-11-24T11:00:00Z"));
    }

    #[test]
    fn names_of_a_job_without_input_are_refused_with_the_mend() {
        assert_eq!(
            mistakes(r#"{"path":"p","id":"a"}"#),
            [
                r#"13: `id` without `input`: write {"id": …, "input": {…}}, or take lines as inputs with --input-is-line"#
            ]
        );
        assert_eq!(
            mistakes(r#"{"flow":"f"}"#)[0],
            r#"2: `flow` without `input`: write {"flow": …, "input": {…}}, or take lines as inputs with --input-is-line"#
        );
    }

    #[test]
    fn all_mistakes_of_a_line_come_at_once_each_with_its_column() {
        assert_eq!(
            mistakes(
                r#"{"priorty":1,"input":[1],"id":7,"priority":256,"cost":0,"timeout":"0s","after":"today","key":""}"#
            ),
            [
                "2: unknown name `priorty` beside `input`, did you mean `priority`?",
                "22: `input` must be an object, found a list",
                "31: id must be a text, found 7; write \"7\"",
                "44: priority must be a whole number from 0 to 255, found 256",
                "55: cost must be a number above 0, found 0",
                "67: timeout must be longer than 0s",
                "80: after: `today` is not an RFC 3339 moment; write for example \"2026-11-23T12:00:00Z\"",
                "94: key: an id must not be empty",
            ]
        );
        assert_eq!(mistakes(r#"{"flow":"f","input":{}}"#), ["2: `flow` is reserved; all jobs of a batch run its flow"]);
        assert_eq!(mistakes(r#"{"input":{},"x":1}"#).len(), 1);
    }

    #[test]
    fn keys_are_unique_at_every_level() {
        assert_eq!(mistakes(r#"{"input":{},"id":"a","id":"b"}"#), ["22: duplicate key `id`"]);
        assert_eq!(mistakes(r#"{"input":{"a":1,"a":2}}"#), ["19: duplicate key `a`"]);
        assert_eq!(mistakes(r#"{"a":1,"a":2}"#), ["10: duplicate key `a`"]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(mistakes("[1]"), ["1: a job must be a JSON object, found a list"]);
        assert_eq!(mistakes(" null"), ["2: a job must be a JSON object, found null"]);
        assert_eq!(mistakes("path"), [format!("1: {PLAIN}")]);
        assert_eq!(mistakes(r#"{"a":1"#), ["6: not JSON: it ends inside an object: a `}` is missing"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let bad = |bytes: &[u8]| parse(bytes, false).unwrap_err().remove(0);
        assert_eq!(bad(b"{\"a\":\"\xFF\"}"), Mistake::at(6, "not UTF-8: byte 0xFF at byte 7 of the line"));
        assert!(bad(b"\xEF\xBB\xBF{}").message.starts_with("starts with a byte order mark"));
    }
}
