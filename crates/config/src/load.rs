//! From a request to a checked configuration, or to everything that is wrong with it.

use batchmill_core::Problem;
use batchmill_plugin::Registry;
use figment::{Figment, Profile, Provider, value::Value};

use crate::{
    ConfigProblem, Expressions, HostConfig, LoadRequest, Origin, Origins,
    collect::Collected,
    document,
    key::{self, Path},
    layer::{Layer, Numbered},
    limit, shape, slot, together,
};

/// A configuration that is right, and where each of its values comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The effective configuration.
    pub config: HostConfig,
    /// Where each of its values comes from.
    pub origins: Origins,
}

/// Loads the configuration.
///
/// Opens the files of the request and nothing else. Reports **all** problems of all layers at once, in the order of the
/// layers, within a file in the order of the text. What contradicts each other is told where each value by itself is right.
pub fn load(request: &LoadRequest, registry: &Registry) -> Result<Loaded, Vec<ConfigProblem>> {
    let Collected { mut layers, mut problems } = Collected::from_request(request);
    for (number, layer) in layers.iter().enumerate() {
        problems.extend(shape::problems(&layer.values).into_iter().map(|problem| (number, problem)));
    }
    problems.extend(slot::problems(&layers, registry));
    problems.extend(limit::problems(&layers, request.expressions));
    problems.extend(share_keys(&layers, request.expressions));
    if !problems.is_empty() {
        return Err(placed(&layers, problems));
    }
    slot::drop_foreign_options(&mut layers);
    let loaded = merge(&layers).map_err(|error| {
        // Every layer has been checked by itself, so this is a defect of the checks; even then the user is told.
        vec![ConfigProblem { origin: Origin::Default, key: error.path.join("."), message: error.kind.to_string() }]
    })?;
    let problems = together::problems(&loaded);
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// What is wrong with the expression of each layer that has one.
fn share_keys(layers: &[Layer], expressions: Expressions) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let text = layer.values.get("scheduler").and_then(|scheduler| scheduler.get("share_key"));
        let mistakes = text.and_then(|text| text.as_str()).map(expressions.share_key).unwrap_or_default();
        found.extend(mistakes.into_iter().map(|mistake| (number, Problem::new(["scheduler", "share_key"], mistake))));
    }
    found
}

impl Loaded {
    /// Where the value at a dotted key comes from, for example `executor.timeout`, `sinks.0.kind`. A key below a list or a
    /// table that is given as a whole has the origin of the whole. `None` if there is no such value.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        let path = document::dotted_key(key)?;
        let config = serde_json::to_value(&self.config).ok()?;
        key::find(config.as_object()?, &path).map(|_| self.origins.of(&path))
    }
}

/// Gives every problem its place and brings them into order.
pub(crate) fn placed(layers: &[Layer], problems: Vec<(usize, Problem)>) -> Vec<ConfigProblem> {
    let mut found: Vec<_> = problems
        .into_iter()
        .map(|(number, problem)| {
            let layer = &layers[number];
            // What is missing is shown at the nearest table above it.
            let lengths = (0..=problem.path.len()).rev();
            let offset = lengths.map(|length| layer.offset(&problem.path[..length], &problem)).find(Option::is_some);
            let offset = offset.flatten();
            let problem = ConfigProblem {
                origin: layer.origin_at(offset),
                key: key::dotted(&problem.path),
                message: problem.message,
            };
            (number, offset, problem)
        })
        .collect();
    found.sort_by_key(|(number, offset, _)| (*number, *offset));
    found.into_iter().map(|(.., problem)| problem).collect()
}

fn merge(layers: &[Layer]) -> Result<Loaded, Box<figment::Error>> {
    let numbered = layers.iter().enumerate().map(|(number, layer)| Numbered { number, values: &layer.values });
    let figment = numbered.fold(Figment::new(), Figment::merge);
    let config = figment.extract()?;
    let mut origins = Origins::default();
    for (key, value) in figment.data()?.remove(&Profile::Default).unwrap_or_default() {
        trace(&figment, layers, &mut vec![key], &value, &mut origins);
    }
    Ok(Loaded { config, origins })
}

/// Notes the origin of every value below `path`; figment tags each with the layer that gave it.
fn trace(figment: &Figment, layers: &[Layer], path: &mut Path, value: &Value, origins: &mut Origins) {
    let number = figment.get_metadata(value.tag()).and_then(|layer| layer.name.parse::<usize>().ok());
    if let Some(layer) = number.and_then(|number| layers.get(number)) {
        origins.note(path.clone(), layer.origin(path));
    }
    let mut below = |key: String, value: &Value| {
        path.push(key);
        trace(figment, layers, path, value, origins);
        path.pop();
    };
    match value {
        Value::Dict(_, table) => table.iter().for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(_, items) => items.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value)),
        _ => {}
    }
}
