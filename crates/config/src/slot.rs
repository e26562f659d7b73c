//! Slots: policies chosen by `kind`, whose options only the plugin understands.
//!
//! Options belong to a kind. Where a layer sets another kind than the layers below it, their options are of no use any
//! more; they are still checked (against their own kind) and then dropped.

use batchmill_core::{
    Checkpointer, FailureStrategy, Governor, MetricsExporter, Options, Problem, ResultSink, RetryPolicy, Scheduler,
};
use batchmill_plugin::{Pluggable, Registry, UnknownPlugin};
use figment::Figment;
use serde_json::Value;

use crate::layer::{Layer, Numbered};

/// What config needs to know of a trait that plugins implement.
pub(crate) struct Port {
    /// The section: `scheduler`, `sinks` …
    pub(crate) section: &'static str,
    /// Everything that is wrong with the options of a kind.
    validate: fn(&Registry, &str, &Options) -> Result<Vec<Problem>, UnknownPlugin>,
    /// Name, description and options schema of each kind.
    pub(crate) kinds: fn(&Registry) -> Vec<(String, String, Value)>,
}

/// The sections that are one slot.
pub(crate) const PORTS: [Port; 6] = [
    Port::new::<dyn Scheduler>("scheduler"),
    Port::new::<dyn RetryPolicy>("retry"),
    Port::new::<dyn FailureStrategy>("failure"),
    Port::new::<dyn Governor>("governor"),
    Port::new::<dyn Checkpointer>("checkpoints"),
    Port::new::<dyn MetricsExporter>("metrics"),
];

/// The section that is a list of slots.
pub(crate) const SINKS: Port = Port::new::<dyn ResultSink>("sinks");

impl Port {
    const fn new<P: ?Sized + Pluggable>(section: &'static str) -> Self {
        Self {
            section,
            validate: |registry, kind, options| {
                let factory = registry.get::<P>(kind)?;
                Ok(factory.validate(options).err().unwrap_or_default())
            },
            kinds: |registry| {
                let describe = |(name, factory): (&String, &std::sync::Arc<dyn batchmill_core::Factory<P>>)| {
                    (name.clone(), factory.about().to_owned(), factory.schema())
                };
                registry.all::<P>().iter().map(describe).collect()
            },
        }
    }

    fn missing_kind(&self, registry: &Registry) -> String {
        let known: Vec<String> = (self.kinds)(registry).into_iter().map(|(name, ..)| name).collect();
        format!("missing key `kind` (known: {})", known.join(", "))
    }
}

/// Consecutive layers that speak about one kind.
#[derive(Debug, Default)]
pub(crate) struct Run {
    kind: Option<String>,
    layers: Vec<usize>,
}

/// Splits the layers where the kind of a section changes. The last run is the one that counts.
pub(crate) fn runs(layers: &[Layer], section: &str) -> Vec<Run> {
    let mut runs = vec![Run::default()];
    let numbers: Vec<usize> = (0..layers.len()).collect();
    for group in numbers.chunk_by(|a, b| layers[*a].rank == layers[*b].rank) {
        let kind = group.iter().rev().find_map(|number| kind(&layers[*number], section));
        let last = runs.last_mut().expect("there is always a run");
        match (kind, &last.kind) {
            (Some(new), Some(old)) if new != *old => {
                runs.push(Run { kind: Some(new), layers: group.to_vec() });
                continue;
            }
            (Some(new), None) => last.kind = Some(new),
            _ => {}
        }
        last.layers.extend(group);
    }
    runs
}

fn kind(layer: &Layer, section: &str) -> Option<String> {
    layer.values.get(section)?.get("kind")?.as_str().map(str::to_owned)
}

/// Takes the options of other kinds than the last out of the layers.
pub(crate) fn drop_foreign_options(layers: &mut [Layer]) {
    for port in PORTS {
        let mut runs = runs(layers, port.section);
        runs.pop();
        for number in runs.into_iter().flat_map(|run| run.layers) {
            if let Some(Value::Object(slot)) = layers[number].values.get_mut(port.section) {
                slot.shift_remove("options");
            }
        }
    }
}

/// Everything that plugins find wrong, each with the number of the layer where it is to be mended.
pub(crate) fn problems(layers: &[Layer], registry: &Registry) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    for port in PORTS {
        unknown_kinds(&port, layers, registry, &mut found);
        let runs = runs(layers, port.section);
        let last = runs.len() - 1;
        for (number, run) in runs.into_iter().enumerate() {
            for problem in run.problems(&port, layers, registry) {
                run.place(problem, layers, number == last, &mut found);
            }
        }
    }
    sinks(layers, registry, &mut found);
    found
}

fn unknown_kinds(port: &Port, layers: &[Layer], registry: &Registry, found: &mut Vec<(usize, Problem)>) {
    for (number, layer) in layers.iter().enumerate() {
        let Some(kind) = kind(layer, port.section) else { continue };
        if let Err(unknown) = (port.validate)(registry, &kind, &Options::new()) {
            found.push((number, Problem::new([port.section, "kind"], unknown.to_string())));
        }
    }
}

impl Run {
    fn problems(&self, port: &Port, layers: &[Layer], registry: &Registry) -> Vec<Problem> {
        let speaks = self.layers.iter().any(|number| layers[*number].values.contains_key(port.section));
        let Some(kind) = &self.kind else {
            let missing = Problem::new([port.section], port.missing_kind(registry));
            return if speaks { vec![missing] } else { Vec::new() };
        };
        let options = self.merged_options(layers, port.section);
        // An unknown kind is reported where it is set.
        let problems = options.and_then(|options| (port.validate)(registry, kind, &options).ok());
        problems.unwrap_or_default().into_iter().map(|p| p.below("options").below(port.section)).collect()
    }

    /// The options of the run's layers together; none if one of them is no table, which is reported as such.
    fn merged_options(&self, layers: &[Layer], section: &str) -> Option<Options> {
        let mut figment = Figment::new();
        for number in &self.layers {
            match layers[*number].values.get(section).and_then(|slot| slot.get("options")) {
                None => {}
                Some(Value::Object(options)) => figment = figment.merge(Numbered { number: *number, values: options }),
                Some(_) => return None,
            }
        }
        figment.extract().ok()
    }

    /// Finds the layers to blame: for a key all that have it, for a value the strongest that gives it. Something that is
    /// missing is only a problem of the run that counts, and belongs to the table where it is missing.
    fn place(&self, problem: Problem, layers: &[Layer], counts: bool, found: &mut Vec<(usize, Problem)>) {
        let having = |path: &[String]| self.layers.iter().rev().copied().filter(|n| layers[*n].has(path)).collect();
        let exact: Vec<usize> = having(&problem.path);
        match exact.split_first() {
            Some(_) if problem.at_key => found.extend(exact.into_iter().map(|number| (number, problem.clone()))),
            Some((strongest, _)) => found.push((*strongest, problem)),
            None if counts => {
                let above = (0..problem.path.len()).rev().find_map(|length| {
                    let holders: Vec<usize> = having(&problem.path[..length]);
                    holders.first().copied()
                });
                found.extend(above.map(|number| (number, problem)));
            }
            None => {}
        }
    }
}

/// A list is replaced as a whole, so each layer's is complete in itself.
fn sinks(layers: &[Layer], registry: &Registry, found: &mut Vec<(usize, Problem)>) {
    for (number, layer) in layers.iter().enumerate() {
        let Some(Value::Array(items)) = layer.values.get(SINKS.section) else { continue };
        for (index, item) in items.iter().enumerate() {
            let problems = item.as_object().map(|slot| sink(slot, registry)).unwrap_or_default();
            let below = |p: Problem| (number, p.below(index.to_string()).below(SINKS.section));
            found.extend(problems.into_iter().map(below));
        }
    }
}

fn sink(slot: &Options, registry: &Registry) -> Vec<Problem> {
    let none = Options::new();
    let options = match slot.get("options") {
        None => &none,
        Some(Value::Object(options)) => options,
        Some(_) => return Vec::new(),
    };
    match slot.get("kind") {
        None => vec![Problem::new([""; 0], SINKS.missing_kind(registry))],
        Some(Value::String(kind)) => match (SINKS.validate)(registry, kind, options) {
            Ok(problems) => problems.into_iter().map(|p| p.below("options")).collect(),
            Err(unknown) => vec![Problem::new(["kind"], unknown.to_string())],
        },
        Some(_) => Vec::new(),
    }
}
