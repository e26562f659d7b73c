//! The kit for factories: what they say of options, whatever they make.

use std::fmt;

use batchmill_core::{Factory, Options, Problem};
use serde_json::Value;

use crate::{
    Case, Make, Report,
    case::{Checked, ensure},
};

type Validate = Box<dyn Fn(&Options) -> Result<(), Vec<Problem>>>;

/// A factory, and options that it takes.
pub struct Subject {
    name: String,
    schema: Value,
    validate: Validate,
    options: Options,
}

impl Subject {
    /// `options` are right, and enough to build something.
    pub fn new<P: ?Sized + 'static>(factory: impl Factory<P> + 'static, options: Options) -> Self {
        let (name, schema) = (factory.name().to_owned(), factory.schema());
        Self { name, schema, validate: Box::new(move |options| factory.validate(options)), options }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "factory {}", self.name)
    }
}

/// Runs every case.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("factory", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("the_name_may_stand_in_config", the_name_may_stand_in_config),
        Case::new("the_schema_describes_an_object", the_schema_describes_an_object),
        Case::new("options_that_are_right_are_taken", options_that_are_right_are_taken),
        Case::new("an_unknown_key_is_refused_at_its_place", an_unknown_key_is_refused_at_its_place),
        Case::new("every_problem_is_told_at_once", every_problem_is_told_at_once),
        Case::new("the_same_options_have_the_same_problems", the_same_options_have_the_same_problems),
    ];
    CASES
}

fn the_name_may_stand_in_config(make: Make<'_, Subject>) -> Checked {
    let name = make().name;
    let fits = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    ensure!((1..=63).contains(&name.len()) && fits, "`{name}` is not 1 to 63 characters of a-z, 0-9, `-` and `_`");
    Ok(())
}

fn the_schema_describes_an_object(make: Make<'_, Subject>) -> Checked {
    let schema = make().schema;
    ensure!(
        schema["type"] == "object",
        "the options are an object, says the contract; the schema says {}",
        schema["type"]
    );
    Ok(())
}

fn options_that_are_right_are_taken(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    if let Err(problems) = (subject.validate)(&subject.options) {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let message = format!("{} is refused: {}", Value::Object(subject.options.clone()), problems.join("; "));
        return Err(crate::case::Unmet::Failed(message));
    }
    Ok(())
}

/// The options with keys that nobody has.
fn with_unknown(options: &Options, keys: &[&str]) -> Options {
    let mut options = options.clone();
    options.extend(keys.iter().map(|key| ((*key).to_owned(), 1.into())));
    options
}

fn an_unknown_key_is_refused_at_its_place(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    let problems = (subject.validate)(&with_unknown(&subject.options, &["no_such_key"])).err().unwrap_or_default();
    let named = problems.iter().any(|problem| problem.path == ["no_such_key"]);
    ensure!(named, "`no_such_key` is not refused at its place: {problems:?}");
    Ok(())
}

fn every_problem_is_told_at_once(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    let problems = (subject.validate)(&with_unknown(&subject.options, &["no_such_key", "nor_this"])).err();
    let count = problems.as_ref().map_or(0, Vec::len);
    ensure!(count >= 2, "two unknown keys are {count} problems: {problems:?}");
    Ok(())
}

fn the_same_options_have_the_same_problems(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    for options in [subject.options.clone(), with_unknown(&subject.options, &["no_such_key"])] {
        let (one, other) = ((subject.validate)(&options), (subject.validate)(&options));
        ensure!(one == other, "asked twice, it answers {one:?} and {other:?}");
    }
    Ok(())
}
