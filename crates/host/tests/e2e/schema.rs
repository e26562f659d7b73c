//! The schema of flow files: it accepts what the program accepts, and refuses the mistakes that an editor should underline.

use std::{
    fs,
    path::{Path, PathBuf},
};

use batchmill_flow::yaml;
use jsonschema::Validator;
use serde_json::Value;

use crate::stage::Stage;

fn validator() -> Validator {
    let schema = Stage::new().batchmill(&["config", "schema", "--of", "flow"]).expect(0).stdout;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).expect("a schema")
}

fn read(text: &str) -> Value {
    yaml::parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")).to_json()
}

#[track_caller]
fn refusals(validator: &Validator, flow: &Value) -> Vec<String> {
    validator.iter_errors(flow).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every flow file below a folder.
fn flows(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository").flatten() {
        let path = entry.path();
        if path.is_dir() {
            flows(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_flow_of_the_examples_and_the_pages_matches() {
    let (root, validator) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), validator());
    let mut files = Vec::new();
    flows(&root.join("examples"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).expect("a flow");
        assert_eq!(refusals(&validator, &read(&text)), [""; 0], "{}", file.display());
    }
    let mut shown = 0;
    for page in ["README.md", "docs/flows.md", "plugins/node-run/README.md", "plugins/node-set/README.md"] {
        let page = fs::read_to_string(root.join(page)).expect("a page");
        let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("yaml\n"));
        for flow in blocks.filter(|block| block.lines().any(|line| line == "version: 1")) {
            assert_eq!(refusals(&validator, &read(flow)), [""; 0], "{flow}");
            shown += 1;
        }
    }
    assert!(shown >= 2, "{shown} flows in the pages");
}

#[test]
fn every_key_and_every_form_of_it_matches() {
    let flow = r#"
version: 1
name: all
description: everything
input: {type: object, required: [path]}
state:
  a: {reduce: replace}
  b: {reduce: append, default: []}
  c: {reduce: add, default: 0}
  d: {reduce: merge}
  e: {reduce: deep_merge}
  f: {reduce: max}
  g: {reduce: min}
  h: {default: {any: thing}}
defaults: {timeout: 5m, retry: {max_attempts: 3, delay: 1s}}
checkpoint: step_sync
start: [one]
max_steps: 10
state_limit: 1MiB
nodes:
  one:
    run: [stat, "${ .path }"]
    output: '{size: .exit_code}'
    exit_codes: {success: [0, "2-5"], permanent: [1]}
    env: {LC_ALL: C, TOKEN: {env: PATH}}
    inherit_env: true
    output_limit: 64KiB
    on_overflow: truncate
    timeout: 30s
    retry: 3
    on_error: {goto: END}
    next: two
  two: {run: 'true', shell: true, needs: one, next: [three, END], on_error: continue}
  three: {set: '{}', needs: [one, two], next: [{when: .a, to: one}, {to: END}], on_error: fail}
output: '{a}'
"#;
    let stage = Stage::new();
    stage.write("flow.yaml", flow);
    stage.batchmill(&["check", "flow.yaml"]).expect(0);
    assert_eq!(refusals(&validator(), &read(flow)), [""; 0]);
}

#[test]
fn mistakes_do_not_match() {
    let (stage, validator) = (Stage::new(), validator());
    let node = "a: {set: '{}'}";
    for (what, flow) in [
        ("no version", format!("nodes: {{{node}}}")),
        ("another version", format!("version: 2\nnodes: {{{node}}}")),
        ("no nodes", "version: 1".to_owned()),
        ("an empty map of nodes", "version: 1\nnodes: {}".to_owned()),
        ("an unknown key", format!("version: 1\nstat: {{}}\nnodes: {{{node}}}")),
        ("an unknown reducer", format!("version: 1\nstate: {{a: {{reduce: sum}}}}\nnodes: {{{node}}}")),
        ("an unknown key of a channel", format!("version: 1\nstate: {{a: {{reducer: add}}}}\nnodes: {{{node}}}")),
        ("an unknown mode", format!("version: 1\ncheckpoint: always\nnodes: {{{node}}}")),
        ("an unknown default", format!("version: 1\ndefaults: {{retries: 3}}\nnodes: {{{node}}}")),
        ("no steps", format!("version: 1\nmax_steps: 0\nnodes: {{{node}}}")),
        ("an input that is no schema", format!("version: 1\ninput: 5\nnodes: {{{node}}}")),
        ("an unknown kind", "version: 1\nnodes: {a: {sett: '{}'}}".to_owned()),
        ("no kind", "version: 1\nnodes: {a: {timeout: 1s}}".to_owned()),
        ("two kinds", "version: 1\nnodes: {a: {set: '{}', run: [x]}}".to_owned()),
        ("an unknown key of a node", "version: 1\nnodes: {a: {set: '{}', tiemout: 1s}}".to_owned()),
        ("a key of another kind", "version: 1\nnodes: {a: {set: '{}', shell: true}}".to_owned()),
        ("a wrong type in a kind", "version: 1\nnodes: {a: {set: 5}}".to_owned()),
        ("an unknown word in a kind", "version: 1\nnodes: {a: {run: [x], on_overflow: cut}}".to_owned()),
        ("a node named END", "version: 1\nnodes: {END: {set: '{}'}}".to_owned()),
        ("names and arms mixed", "version: 1\nnodes: {a: {set: '{}', next: [END, {to: END}]}}".to_owned()),
        ("an arm without target", "version: 1\nnodes: {a: {set: '{}', next: [{when: .x}]}}".to_owned()),
        ("an unknown key of an arm", "version: 1\nnodes: {a: {set: '{}', next: [{if: .x, to: END}]}}".to_owned()),
        ("nothing that follows", "version: 1\nnodes: {a: {set: '{}', next: []}}".to_owned()),
        ("an unknown on_error", "version: 1\nnodes: {a: {set: '{}', on_error: ignore}}".to_owned()),
        ("a goto beside another key", "version: 1\nnodes: {a: {set: '{}', on_error: {goto: a, to: b}}}".to_owned()),
        ("no attempts", "version: 1\nnodes: {a: {set: '{}', retry: 0}}".to_owned()),
        ("an unknown key of a retry", "version: 1\nnodes: {a: {set: '{}', retry: {max_atempts: 2}}}".to_owned()),
        ("a timeout without unit", "version: 1\nnodes: {a: {set: '{}', timeout: 5}}".to_owned()),
    ] {
        assert!(!validator.is_valid(&read(&flow)), "the schema accepts {what}: {flow}");
        // An editor must not complain about what the program takes.
        stage.write("flow.yaml", &flow);
        assert_eq!(stage.batchmill(&["check", "flow.yaml"]).code, Some(65), "the program accepts {what}: {flow}");
    }
}
