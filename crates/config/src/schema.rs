//! The JSON Schema of a host file, for editors.
//!
//! A file may give a part only (a stronger or weaker layer gives the rest), so nothing is required but the `kind` of a
//! sink. The options of a kind are checked where the same table names the kind.

use batchmill_core::{hoist_definitions, take_definitions};
use batchmill_plugin::Registry;
use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::{
    HostConfig,
    slot::{PORTS, Port, SINKS},
};

/// The schema of the whole file, with the options of every kind in the registry. Draft 2020-12.
pub fn schema(registry: &Registry) -> Value {
    let mut root = schema_for!(HostConfig).to_value();
    let mut definitions = take_definitions(&mut root);
    definitions.shift_remove("Slot");
    let share_key = definitions.shift_remove("Scheduler").map(|scheduler| scheduler["properties"]["share_key"].clone());
    for port in PORTS {
        let described = description(&root, port.section);
        let slot = slot(&port, registry, &mut definitions);
        root["properties"][port.section] = with(slot, "description", described);
    }
    if let Some(share_key) = share_key {
        root["properties"]["scheduler"]["properties"]["share_key"] = share_key;
    }
    let described = description(&root, SINKS.section);
    let mut sink = slot(&SINKS, registry, &mut definitions);
    sink["required"] = json!(["kind"]);
    root["properties"][SINKS.section] = with(json!({"type": "array", "items": sink}), "description", described);
    root["title"] = "Batchmill host configuration".into();
    without_defaults(&mut root["properties"]);
    if !definitions.is_empty() {
        root["$defs"] = definitions.into();
    }
    root
}

fn description(root: &Value, section: &str) -> Value {
    root["properties"][section]["description"].clone()
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    schema[key] = value;
    schema
}

/// The default of a whole section says nothing that its keys do not say.
fn without_defaults(sections: &mut Value) {
    for section in sections.as_object_mut().into_iter().flat_map(Map::values_mut) {
        section.as_object_mut().map(|section| section.shift_remove("default"));
    }
}

/// A slot: any known kind, and if it is this one, these options.
fn slot(port: &Port, registry: &Registry, definitions: &mut Map<String, Value>) -> Value {
    let kinds = (port.kinds)(registry);
    let described = kinds.iter().map(|(name, about, _)| format!("`{name}`: {about}")).collect::<Vec<_>>().join("\n\n");
    let names: Vec<&str> = kinds.iter().map(|(name, ..)| name.as_str()).collect();
    let mut slot = json!({
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": names, "description": described},
            "options": {"type": "object", "description": "The plugin's own options."},
        },
        "additionalProperties": false,
    });
    let branches: Vec<Value> = kinds
        .into_iter()
        .map(|(name, _, options)| {
            let options = hoist_definitions(options, &format!("{}-{name}", port.section), definitions);
            json!({
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": {"properties": {"options": options}},
            })
        })
        .collect();
    if !branches.is_empty() {
        slot["allOf"] = branches.into();
    }
    slot
}
