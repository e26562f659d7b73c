//! JSON Schemas of plugins' options put into one document.

use serde_json::{Map, Value};

/// Takes the definitions out of a schema.
pub fn take_definitions(schema: &mut Value) -> Map<String, Value> {
    match schema.as_object_mut().and_then(|object| object.shift_remove("$defs")) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// A schema as a part of a larger document: its definitions are moved to those of the document, under names that begin
/// with `prefix` and so cannot meet those of another part.
pub fn hoist_definitions(mut schema: Value, prefix: &str, definitions: &mut Map<String, Value>) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("$schema");
    }
    let inner = take_definitions(&mut schema);
    rename_references(&mut schema, prefix);
    for (name, mut definition) in inner {
        rename_references(&mut definition, prefix);
        definitions.insert(format!("{prefix}.{name}"), definition);
    }
    schema
}

fn rename_references(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        if let Some(name) = reference.strip_prefix("#/$defs/") {
                            *reference = format!("#/$defs/{prefix}.{name}");
                        }
                    }
                    value => rename_references(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, prefix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_move_to_the_document_under_names_of_their_own() {
        let schema = json!({
            "$schema": "x",
            "properties": {"rules": {"items": {"$ref": "#/$defs/Rule"}}},
            "$defs": {"Rule": {"properties": {"next": {"$ref": "#/$defs/Rule"}}}},
        });
        let mut definitions = Map::new();
        let part = hoist_definitions(schema, "failure-halt", &mut definitions);
        assert_eq!(part, json!({"properties": {"rules": {"items": {"$ref": "#/$defs/failure-halt.Rule"}}}}));
        assert_eq!(
            Value::Object(definitions),
            json!({"failure-halt.Rule": {"properties": {"next": {"$ref": "#/$defs/failure-halt.Rule"}}}})
        );
    }
}
