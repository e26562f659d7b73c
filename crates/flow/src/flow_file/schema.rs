//! The JSON Schema of flow files, for editors.
//!
//! It is made of what the readers beside it know: their keys, the words of their choices, and the options of the kinds in
//! the catalogue. What a schema cannot say (names that nobody has, loops, jq) is left to `check`.

use batchmill_core::hoist_definitions;
use serde_json::{Map, Value, json};

use super::{NodeCatalog, nodes::GENERIC, read::KEYS};
use crate::graph::{CheckpointMode, Reduce, Target};

impl NodeCatalog {
    /// The schema of a flow file, with the options of every kind. Draft 2020-12.
    ///
    /// `retry` are the retry policies that a host may have, by kind, each with the schema of its options: those are what a
    /// `retry` in a flow may say.
    pub fn flow_schema(&self, retry: &[(String, Value)]) -> Value {
        let mut definitions = Map::new();
        let policies: Vec<Value> = retry
            .iter()
            .map(|(kind, options)| hoist_definitions(options.clone(), &format!("retry-{kind}"), &mut definitions))
            .collect();
        definitions.insert("retry".to_owned(), retry_settings(policies));
        let node = self.node(&mut definitions);
        definitions.insert("node".to_owned(), node);
        for (name, definition) in shared() {
            definitions.insert(name.to_owned(), definition);
        }
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Batchmill flow",
            "type": "object",
            "properties": KEYS.map(|key| (key.to_owned(), top_key(key))).into_iter().collect::<Map<_, _>>(),
            "required": ["version", "nodes"],
            "additionalProperties": false,
            "$defs": definitions,
        })
    }

    /// A node: one kind, and if it is this one, these keys.
    fn node(&self, definitions: &mut Map<String, Value>) -> Value {
        let kinds: Vec<&str> = self.kinds().collect();
        let of_kind = |kind: &&str, definitions: &mut Map<String, Value>| {
            let mut keys = hoist_definitions(self.schema_of(kind), &format!("node-{kind}"), definitions);
            if !keys.is_object() {
                // It takes anything.
                keys = json!({"type": "object"});
            }
            for key in GENERIC {
                keys["properties"][key] = generic_key(key);
            }
            let mut required = keys["required"].as_array().cloned().unwrap_or_default();
            if !required.iter().any(|key| key == kind) {
                required.push((*kind).into());
            }
            keys["required"] = required.into();
            definitions.insert(format!("node-{kind}"), keys);
            json!({"if": {"required": [kind]}, "then": {"$ref": format!("#/$defs/node-{kind}")}})
        };
        let branches: Vec<Value> = kinds.iter().map(|kind| of_kind(kind, definitions)).collect();
        // Named here too, so that an editor can offer them before a kind is chosen.
        let mut properties: Map<String, Value> =
            kinds.iter().map(|kind| ((*kind).to_owned(), json!({"title": self.about(kind)}))).collect();
        properties.extend(GENERIC.map(|key| (key.to_owned(), generic_key(key))));
        json!({
            "type": "object",
            "properties": properties,
            "oneOf": kinds.iter().map(|kind| json!({"required": [kind]})).collect::<Vec<_>>(),
            "allOf": branches,
        })
    }
}

/// A key of a flow.
fn top_key(key: &str) -> Value {
    match key {
        "version" => described("The version of the language.", json!({"const": 1})),
        "name" => described(
            "Batches are named after it; the file's name unless given.",
            json!({"type": "string", "minLength": 1, "maxLength": 256}),
        ),
        "description" => described("For people.", json!({"type": "string"})),
        "input" => described("JSON Schema that the input of every job must match.", json!({"type": "object"})),
        "state" => described(
            "Channels: how updates of a key are joined. Keys that are not here are replaced.",
            json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/channel"}}),
        ),
        "defaults" => described(
            "What holds for nodes that do not say otherwise.",
            json!({
                "type": "object",
                "properties": {"timeout": generic_key("timeout"), "retry": generic_key("retry")},
                "additionalProperties": false,
            }),
        ),
        "checkpoint" => described(
            "When the state of a job is kept.",
            json!({"enum": CheckpointMode::ALL.map(CheckpointMode::as_str), "default": CheckpointMode::default().as_str()}),
        ),
        "start" => {
            described("The nodes that run first, where every node has a predecessor.", json!({"$ref": "#/$defs/names"}))
        }
        "max_steps" => {
            described("The most supersteps of a job. Loops need it.", json!({"type": "integer", "minimum": 1}))
        }
        "state_limit" => described(
            "The most that the state of a job holds.",
            json!({"type": ["string", "integer"], "minimum": 0, "default": "16MiB", "examples": ["1MiB", "64MiB"]}),
        ),
        "nodes" => described(
            "The nodes; their order is the order in which updates are merged.",
            json!({
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"minLength": 1, "maxLength": 256, "not": {"const": Target::END}},
                "additionalProperties": {"$ref": "#/$defs/node"},
            }),
        ),
        "output" => described("jq over the final state: what the result carries.", json!({"type": "string"})),
        other => unreachable!("the key `{other}` of a flow has no schema"),
    }
}

/// A key that every node has.
fn generic_key(key: &str) -> Value {
    match key {
        "needs" => described("Runs when these have finished or can no longer come.", json!({"$ref": "#/$defs/names"})),
        "next" => described("What follows.", json!({"$ref": "#/$defs/next"})),
        "timeout" => described(
            "Bounds one run: a time, or a percentage of the median of the runs that succeeded.",
            json!({"type": "string", "examples": ["30s", "5m", "300%"]}),
        ),
        "retry" => described("How it is tried again.", json!({"$ref": "#/$defs/retry"})),
        "on_error" => described(
            "What happens after the last attempt.",
            json!({"anyOf": [
                {"enum": ["fail", "continue"]},
                {
                    "type": "object",
                    "properties": {"goto": {"$ref": "#/$defs/target"}},
                    "required": ["goto"],
                    "additionalProperties": false,
                },
            ]}),
        ),
        "cost" => {
            let size = |text| described(text, json!({"type": ["string", "integer"], "examples": ["300MiB", "2GiB"]}));
            let multiply = json!({"type": "number", "minimum": 1, "maximum": 100, "default": 2});
            let grown = json!({
                "type": "object",
                "properties": {
                    "start": size("What the first attempt gets."),
                    "multiply": described("What that is multiplied with each time it was too little.", multiply),
                    "max": size("It never grows beyond this."),
                },
                "required": ["start", "max"],
                "additionalProperties": false,
            });
            let memory = json!({"anyOf": [size("Bytes."), grown]});
            described(
                "What one run asks for: it starts when so much is left beside what runs.",
                json!({
                    "type": "object",
                    "properties": {
                        "cpu": described("A number of CPUs.", json!({"type": "number", "minimum": 0.001})),
                        "memory": memory,
                    },
                    "additionalProperties": false,
                }),
            )
        }
        other => unreachable!("the key `{other}` of a node has no schema"),
    }
}

/// What several keys have in common.
fn shared() -> [(&'static str, Value); 4] {
    let arm = json!({
        "type": "object",
        "properties": {
            "when": {"type": "string", "description": "jq over the merged state; an arm without it always matches."},
            "to": {"$ref": "#/$defs/target"},
        },
        "required": ["to"],
        "additionalProperties": false,
    });
    [
        ("target", described("A node, or END.", json!({"type": "string"}))),
        (
            "names",
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
        ),
        (
            "next",
            json!({"anyOf": [
                {"$ref": "#/$defs/target"},
                {"type": "array", "items": {"$ref": "#/$defs/target"}, "minItems": 1},
                {"type": "array", "items": arm, "minItems": 1},
            ]}),
        ),
        (
            "channel",
            json!({
                "type": "object",
                "properties": {
                    "reduce": described(
                        "How updates are joined.",
                        json!({"enum": Reduce::ALL.map(Reduce::as_str), "default": Reduce::default().as_str()}),
                    ),
                    "default": {"description": "The value at the start."},
                },
                "additionalProperties": false,
            }),
        ),
    ]
}

/// A number of attempts, or the options of any policy.
fn retry_settings(policies: Vec<Value>) -> Value {
    let attempts = json!({"type": "integer", "minimum": 1, "description": "Attempts in all, the first one counted."});
    let forms = [vec![attempts], policies].concat();
    json!({"anyOf": forms})
}

fn described(text: &str, mut schema: Value) -> Value {
    schema["description"] = text.into();
    schema
}
