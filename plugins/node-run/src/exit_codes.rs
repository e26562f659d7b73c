//! What exit statuses mean.

use std::{borrow::Cow, fmt};

use batchmill_core::{ErrorClass, Problem};
use batchmill_plugin::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Exit statuses by meaning: numbers, or ranges as `"64-78"`. A number goes over a range that holds it; what is not listed
/// is `transient`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExitCodes {
    /// The node has succeeded. The list is complete: without 0 in it, 0 is a failure.
    success: Vec<CodeRange>,
    /// May pass by itself.
    transient: Vec<CodeRange>,
    /// Passes after a delay.
    recoverable: Vec<CodeRange>,
    /// The same input fails again.
    permanent: Vec<CodeRange>,
    /// It had not enough memory: another attempt may get more.
    resource: Vec<CodeRange>,
    /// The whole batch is pointless.
    fatal: Vec<CodeRange>,
}

impl Default for ExitCodes {
    fn default() -> Self {
        let success = vec![CodeRange { first: 0, last: 0 }];
        let none = Vec::new;
        Self { success, transient: none(), recoverable: none(), permanent: none(), resource: none(), fatal: none() }
    }
}

/// What one exit status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The node has succeeded.
    Success,
    /// It has failed.
    Failure(ErrorClass),
}

/// The meaning of each of the 256 exit statuses.
#[derive(Clone)]
pub(crate) struct Meanings(Box<[Meaning; 256]>);

impl Meanings {
    pub(crate) fn of(&self, code: u8) -> Meaning {
        self.0[usize::from(code)]
    }
}

impl fmt::Debug for Meanings {
    /// What differs from a plain failure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Meaning::Failure(ErrorClass::Transient);
        f.debug_map().entries(self.0.iter().enumerate().filter(|(_, meaning)| **meaning != plain)).finish()
    }
}

impl ExitCodes {
    fn lists(&self) -> [(&'static str, Meaning, &[CodeRange]); 6] {
        [
            ("success", Meaning::Success, &self.success),
            ("transient", Meaning::Failure(ErrorClass::Transient), &self.transient),
            ("recoverable", Meaning::Failure(ErrorClass::Recoverable), &self.recoverable),
            ("permanent", Meaning::Failure(ErrorClass::Permanent), &self.permanent),
            ("resource", Meaning::Failure(ErrorClass::Resource), &self.resource),
            ("fatal", Meaning::Failure(ErrorClass::Fatal), &self.fatal),
        ]
    }

    /// The table, and what is wrong with it.
    pub(crate) fn meanings(&self) -> (Meanings, Vec<Problem>) {
        let mut table = Box::new([Meaning::Failure(ErrorClass::Transient); 256]);
        let mut problems = Vec::new();
        // A status that is named alone goes over a range that holds it.
        for is_alone in [false, true] {
            let mut alike = [None; 256];
            for (name, meaning, ranges) in self.lists() {
                let listed = ranges.iter().enumerate().filter(|(_, range)| range.is_one() == is_alone);
                for (index, range) in listed {
                    let codes = usize::from(range.first)..=usize::from(range.last);
                    let twice = codes.clone().find_map(|code| alike[code].map(|earlier| (code, earlier)));
                    if let Some((code, earlier)) = twice {
                        let message = format!("{code} is in `{earlier}` already; an exit status has one meaning");
                        problems.push(Problem::new(["exit_codes", name, &index.to_string()], message));
                    }
                    for code in codes {
                        alike[code] = Some(name);
                        table[code] = meaning;
                    }
                }
            }
        }
        if self.success.is_empty() {
            let message = "lists no exit status: the node could never succeed";
            problems.push(Problem::new(["exit_codes", "success"], message));
        }
        (Meanings(table), problems)
    }
}

/// One exit status, or all from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CodeRange {
    first: u8,
    last: u8,
}

impl CodeRange {
    fn is_one(self) -> bool {
        self.first == self.last
    }
}

impl<'de> Deserialize<'de> for CodeRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        fn refuse<E: de::Error>(found: impl fmt::Display) -> E {
            E::custom(format!("`{found}` is not an exit status; write 0 to 255, or a range as \"64-78\""))
        }

        impl de::Visitor<'_> for Visitor {
            type Value = CodeRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exit status from 0 to 255, or a range as \"64-78\"")
            }

            fn visit_u64<E: de::Error>(self, code: u64) -> Result<CodeRange, E> {
                u8::try_from(code).map(|code| CodeRange { first: code, last: code }).map_err(|_| refuse(code))
            }

            fn visit_i64<E: de::Error>(self, code: i64) -> Result<CodeRange, E> {
                u8::try_from(code).map(|code| CodeRange { first: code, last: code }).map_err(|_| refuse(code))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<CodeRange, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                match (first.trim().parse(), last.trim().parse()) {
                    (Ok(first), Ok(last)) if first <= last => Ok(CodeRange { first, last }),
                    _ => Err(refuse(text)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for CodeRange {
    fn schema_name() -> Cow<'static, str> {
        "ExitStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 255},
                {"type": "string", "pattern": "^ *[0-9]+ *(- *[0-9]+ *)?$"},
            ],
            "examples": [75, "64-78"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(value: serde_json::Value) -> ExitCodes {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn unlisted_statuses_are_transient_failures_and_only_0_succeeds() {
        let (meanings, problems) = ExitCodes::default().meanings();
        assert_eq!(problems, []);
        assert_eq!(meanings.of(0), Meaning::Success);
        for code in 1..=255 {
            assert_eq!(meanings.of(code), Meaning::Failure(ErrorClass::Transient));
        }
    }

    #[test]
    fn statuses_and_ranges_have_the_meaning_of_their_list() {
        let codes = json!({"success": [0, 2], "permanent": [1, "64-78"], "recoverable": ["80"], "fatal": [255]});
        let (meanings, problems) = parsed(codes).meanings();
        assert_eq!(problems, []);
        let classes: Vec<_> = [0, 1, 2, 3, 63, 64, 78, 79, 80, 255].map(|code| meanings.of(code)).into();
        let failure = Meaning::Failure;
        let (transient, permanent) = (failure(ErrorClass::Transient), failure(ErrorClass::Permanent));
        let (recoverable, fatal) = (failure(ErrorClass::Recoverable), failure(ErrorClass::Fatal));
        assert_eq!(
            classes,
            [
                Meaning::Success,
                permanent,
                Meaning::Success,
                transient,
                transient,
                permanent,
                permanent,
                transient,
                recoverable,
                fatal
            ]
        );
    }

    #[test]
    fn a_status_goes_over_a_range_that_holds_it() {
        let codes = json!({"success": [0, 1], "permanent": [2, "64-78"], "recoverable": [75], "fatal": [99]});
        let (meanings, problems) = parsed(codes).meanings();
        assert_eq!(problems, []);
        let classes: Vec<_> = [74, 75, 76].map(|code| meanings.of(code)).into();
        let permanent = Meaning::Failure(ErrorClass::Permanent);
        assert_eq!(classes, [permanent, Meaning::Failure(ErrorClass::Recoverable), permanent]);
    }

    #[test]
    fn a_status_has_one_meaning() {
        let codes = json!({"permanent": [1, "60-70"], "resource": [2], "fatal": [2, "69-80"], "success": []});
        let (_, problems) = parsed(codes).meanings();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "exit_codes.fatal.1: 69 is in `permanent` already; an exit status has one meaning",
                "exit_codes.fatal.0: 2 is in `resource` already; an exit status has one meaning",
                "exit_codes.success: lists no exit status: the node could never succeed"
            ]
        );
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for bad in [json!(256), json!(-1), json!("9-3"), json!("a"), json!("1-"), json!("1-300"), json!(1.5)] {
            assert!(serde_json::from_value::<CodeRange>(bad.clone()).is_err(), "{bad}");
        }
    }
}
