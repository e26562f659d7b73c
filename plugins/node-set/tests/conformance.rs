//! What a node promises, and what `set` promises beyond.

use batchmill_core::{
    BatchId, BuildContext, CancelSignal, ErrorClass, JobId, JobInfo, Node, NodeContext, NodeError, Options, StateData,
};
use batchmill_plugin::Registry;
use serde_json::{Value, json};

fn object(json: Value) -> StateData {
    let Value::Object(object) = json else { panic!("{json} is no object") };
    object
}

fn problems(options: Value) -> Vec<String> {
    let mut registry = Registry::default();
    batchmill_node_set::register(&mut registry);
    let options: Options = object(options);
    let factory = registry.get::<dyn Node>("set").unwrap();
    let problems = factory.validate(&options).err().unwrap_or_default();
    assert_eq!(problems.is_empty(), factory.build(&options, &BuildContext::default()).is_ok());
    problems.iter().map(|problem| format!("{:?} {problem}", problem.offset)).collect()
}

async fn run(filter: &str, state: Value) -> Result<Value, (ErrorClass, String, String)> {
    let mut registry = Registry::default();
    batchmill_node_set::register(&mut registry);
    let options = object(json!({"set": filter}));
    let node = registry.get::<dyn Node>("set").unwrap().build(&options, &BuildContext::default()).unwrap();
    let job = JobInfo::new(BatchId::new("batch").unwrap(), JobId::new("job").unwrap());
    let (input, signal, error) = (object(json!({"path": "p"})), CancelSignal::new(), json!({"code": "c"}));
    let context = NodeContext::new(&job, "node", &input, &signal).with_error(Some(&error));
    let state = object(state);
    let (first, second) = (node.run(&state, context).await, node.run(&state, context).await);
    // Which of its limits a runaway expression meets first is up to the machine, and only told in the message.
    let told = |run: &Result<_, NodeError>| run.clone().map_err(|error| (error.class, error.code));
    assert_eq!(told(&first), told(&second), "a repeated run yields the same");
    first.map(Value::Object).map_err(|error| (error.class, error.code.into_owned(), error.message))
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    assert_eq!(problems(json!({"set": "{a: 1}"})), [""; 0]);
    assert_eq!(problems(json!({})), ["None missing field `set`"]);
    assert_eq!(
        problems(json!({"set": "{a: $inptu, b: lenght}"})),
        [
            "Some(4) set: unknown variable `$inptu`, did you mean `$input`?",
            "Some(15) set: unknown function `lenght`, did you mean `length`?",
        ]
    );
    assert_eq!(
        problems(json!({"set": "{a: ", "sett": 1})),
        ["None sett: unknown key `sett`, did you mean `set`?", "Some(4) set: `{` is never closed"]
    );
    assert_eq!(
        problems(json!({"set": 5})),
        ["None set: invalid type: integer `5`, expected jq in quotes, such as '{done: true}'"]
    );
    // What YAML makes of `set: {a: .b}`.
    let unquoted = ["None set: invalid type: map, expected jq in quotes, such as '{done: true}'"];
    assert_eq!(problems(json!({"set": {"a": ".b"}})), unquoted);
}

#[tokio::test]
async fn the_update_has_exactly_the_keys_of_the_object() {
    let state = json!({"bytes": 200_000, "other": 1});
    assert_eq!(
        run(r#"{class: (if .bytes > 100000 then "large" else "small" end), path: $input.path}"#, state.clone()).await,
        Ok(json!({"class": "large", "path": "p"}))
    );
    assert_eq!(
        run("{id: $job.id, code: $error.code, item: $item}", state.clone()).await,
        Ok(json!({"id": "job", "code": "c", "item": null}))
    );
    for nothing in ["null", "empty", "{}", ".missing"] {
        assert_eq!(run(nothing, state.clone()).await, Ok(json!({})), "{nothing}");
    }
}

#[tokio::test]
async fn what_is_no_update_fails_for_good() {
    for (filter, message) in [
        ("1", "`set` must yield an object with the keys to set, it yields a number"),
        ("[.]", "`set` must yield an object with the keys to set, it yields a list"),
        (".text", "`set` must yield an object with the keys to set, it yields text"),
        ("{a: 1}, {b: 2}", "the expression yields more than one value (`{a: 1}, {b: 2}`)"),
    ] {
        let expected = (ErrorClass::Permanent, "bad_update".to_owned(), message.to_owned());
        assert_eq!(run(filter, json!({"text": "t"})).await, Err(expected), "{filter}");
    }
    let (class, code, _) = run("{a: (.text + 1)}", json!({"text": "t"})).await.unwrap_err();
    assert_eq!((class, &*code), (ErrorClass::Permanent, "expression_failed"));
    let (class, code, _) = run("{a: [range(1e12)]}", json!({})).await.unwrap_err();
    assert_eq!((class, &*code), (ErrorClass::Resource, "expression_limit"));
}
