//! A factory made of an options struct and functions.

use std::{fmt, sync::OnceLock};

use batchmill_core::{BuildContext, BuildError, Factory, Options, Problem, in_words};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Check<O> = Box<dyn Fn(&O) -> Vec<Problem> + Send + Sync>;
type Build<O, P> = Box<dyn Fn(O, &BuildContext) -> Result<Box<P>, BuildError> + Send + Sync>;

/// A [`Factory`] whose options are a struct: `#[serde(default, deny_unknown_fields)]` with doc comments, which become the
/// manual, and `JsonSchema`.
pub struct TypedFactory<O, P: ?Sized> {
    name: &'static str,
    about: &'static str,
    check: Check<O>,
    build: Build<O, P>,
    /// Made once: a flow of many nodes asks for it at each of them.
    schema: OnceLock<Value>,
}

impl<O: DeserializeOwned + JsonSchema, P: ?Sized> TypedFactory<O, P> {
    /// A factory named `name` that calls `build` with valid options.
    pub fn new(
        name: &'static str,
        about: &'static str,
        build: impl Fn(O, &BuildContext) -> Result<Box<P>, BuildError> + Send + Sync + 'static,
    ) -> Self {
        Self { name, about, check: Box::new(|_| Vec::new()), build: Box::new(build), schema: OnceLock::new() }
    }

    /// Adds what types cannot say: ranges, values that contradict each other.
    #[must_use]
    pub fn check(mut self, check: impl Fn(&O) -> Vec<Problem> + Send + Sync + 'static) -> Self {
        self.check = Box::new(check);
        self
    }

    fn parse(&self, options: &Options) -> Result<O, Vec<Problem>> {
        let schema = self.schema.get_or_init(|| schemars::schema_for!(O).to_value());
        let (mut rest, mut problems) = (options.clone(), Vec::new());
        unknown_keys(schema, options, &mut problems);
        for problem in &problems {
            remove(&mut rest, &problem.path);
        }
        // serde stops at its first error: take out the value it stumbled over and ask again, so that all are found.
        let mut stumbled: Vec<String> = Vec::new();
        let parsed = loop {
            match serde_path_to_error::deserialize::<_, O>(Value::Object(rest.clone())) {
                Ok(parsed) => break Some(parsed),
                Err(error) => {
                    let path: Vec<String> = error
                        .path()
                        .iter()
                        .filter_map(|segment| match segment {
                            serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                            _ => None,
                        })
                        .collect();
                    let message = in_words(&error.into_inner().to_string());
                    let follows = stumbled.iter().any(|key| message == format!("missing field `{key}`"));
                    let first = path.first().filter(|key| rest.contains_key(*key)).cloned();
                    if !follows {
                        problems.push(Problem::new(path, message));
                    }
                    let Some(first) = first else { break None };
                    rest.shift_remove(&first);
                    stumbled.push(first);
                }
            }
        };
        if let Some(parsed) = &parsed {
            problems.extend((self.check)(parsed).into_iter().filter(|p| {
                // A value that was taken out is a default now; what the check says of it is not about the user's file.
                p.path.first().is_none_or(|key| !stumbled.contains(key))
            }));
        }
        match parsed {
            Some(parsed) if problems.is_empty() => Ok(parsed),
            _ => Err(problems),
        }
    }
}

/// Takes a key out that is known to be wrong, at any depth, so that serde and the check see only the rest.
fn remove(options: &mut Options, path: &[String]) {
    match path {
        [] => {}
        [key] => {
            options.shift_remove(key);
        }
        [key, rest @ ..] => {
            if let Some(inner) = options.get_mut(key) {
                remove_below(inner, rest);
            }
        }
    }
}

fn remove_below(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Object(inner), _) => remove(inner, path),
        (Value::Array(items), [index, rest @ ..]) => {
            if let Some(item) = index.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                remove_below(item, rest);
            }
        }
        _ => {}
    }
}

/// Finds every key that an object schema made by `schemars` does not know, at every level.
pub fn unknown_keys(schema: &Value, options: &Options, problems: &mut Vec<Problem>) {
    walk(schema, schema, &Value::Object(options.clone()), &mut Vec::new(), problems);
}

fn walk(root: &Value, schema: &Value, value: &Value, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    let schema = resolve(root, schema);
    match value {
        Value::Object(map) => {
            let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let none = serde_json::Map::new();
            // A struct without fields has no `properties`, and is closed all the same.
            let properties = schema.get("properties").and_then(Value::as_object).or(closed.then_some(&none));
            let Some(known) = properties else {
                // A map with free keys: look into its values.
                if let Some(values) = schema.get("additionalProperties").filter(|s| s.is_object()) {
                    for (key, value) in map {
                        path.push(key.clone());
                        walk(root, values, value, path, problems);
                        path.pop();
                    }
                }
                return;
            };
            for (key, value) in map {
                path.push(key.clone());
                match known.get(key) {
                    Some(schema) => walk(root, schema, value, path, problems),
                    None if closed => {
                        let names: Vec<&str> = known.keys().map(String::as_str).collect();
                        problems.push(Problem::unknown_key(path.clone(), &names));
                    }
                    None => {}
                }
                path.pop();
            }
        }
        Value::Array(items) => {
            if let Some(each) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    walk(root, each, item, path, problems);
                    path.pop();
                }
            }
        }
        _ => {}
    }
}

/// Follows `$ref`, and the object or list branch of a nullable or a choice.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"))
        && let Some(target) = root.get("$defs").and_then(|defs| defs.get(name))
    {
        return resolve(root, target);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(choice).and_then(Value::as_array) {
            let structured = branches
                .iter()
                .map(|branch| resolve(root, branch))
                .find(|branch| branch.get("properties").is_some() || branch.get("items").is_some());
            if let Some(branch) = structured {
                return branch;
            }
        }
    }
    schema
}

impl<O, P> Factory<P> for TypedFactory<O, P>
where
    O: DeserializeOwned + JsonSchema,
    P: ?Sized,
{
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn schema(&self) -> Value {
        self.schema.get_or_init(|| schemars::schema_for!(O).to_value()).clone()
    }

    fn validate(&self, options: &Options) -> Result<(), Vec<Problem>> {
        self.parse(options).map(drop)
    }

    fn build(&self, options: &Options, context: &BuildContext) -> Result<Box<P>, BuildError> {
        (self.build)(self.parse(options).map_err(BuildError::Options)?, context)
    }
}

impl<O, P: ?Sized> fmt::Debug for TypedFactory<O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedFactory").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::HumanDuration;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        attempts: u32,
        delay: HumanDuration,
        classes: BTreeMap<String, Inner>,
        rules: Vec<Inner>,
    }

    impl Default for Sample {
        fn default() -> Self {
            let delay = std::time::Duration::from_secs(1).into();
            Self { attempts: 3, delay, classes: BTreeMap::new(), rules: Vec::new() }
        }
    }

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        weight: u8,
    }

    fn problems(options: Value) -> Vec<String> {
        let factory = TypedFactory::<Sample, ()>::new("sample", "a sample", |_, _| Ok(Box::new(()))).check(|s| {
            if s.attempts == 0 { vec![Problem::new(["attempts"], "must be at least 1")] } else { Vec::new() }
        });
        let Value::Object(options) = options else { panic!("options are an object") };
        factory.validate(&options).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_options_have_no_problems() {
        assert_eq!(problems(json!({})), [""; 0]);
        assert_eq!(problems(json!({"attempts": 5, "delay": "1s", "classes": {"a": {"weight": 1}}})), [""; 0]);
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_path() {
        assert_eq!(
            problems(
                json!({"atempts": 5, "delay": "1 parsec", "classes": {"a": {"wieght": 1}}, "rules": [{"wight": 1}, {"weight": 300}]})
            ),
            [
                "atempts: unknown key `atempts`, did you mean `attempts`?",
                "classes.a.wieght: unknown key `wieght`, did you mean `weight`?",
                "rules.0.wight: unknown key `wight`, did you mean `weight`?",
                "delay: `1 parsec` is not a duration; write a number with a unit, for example `200ms`, `30s`, `5m` or `1h 30m`",
                "rules.1.weight: invalid value: integer `300`, expected a whole number from 0 to 255",
            ]
        );
    }

    #[test]
    fn a_plugin_without_options_refuses_every_key_as_a_key() {
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        struct Nothing {}
        let factory = TypedFactory::<Nothing, ()>::new("nothing", "takes nothing", |_, _| Ok(Box::new(())));
        let Value::Object(options) = json!({"depth": 3}) else { unreachable!() };
        assert_eq!(factory.validate(&options), Err(vec![Problem::unknown_key(["depth"], &[])]));
    }

    #[test]
    fn what_types_cannot_say_is_checked_beside_the_rest() {
        assert_eq!(
            problems(json!({"attempts": 0, "delay": 5})),
            ["delay: a duration needs a unit, for example \"5s\"", "attempts: must be at least 1"]
        );
    }
}
