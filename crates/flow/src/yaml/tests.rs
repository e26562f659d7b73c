//! Tables: YAML in; JSON, places or problems out.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{Located, parse};

fn json(text: &str) -> String {
    match parse(text) {
        Ok(located) => located.to_json().to_string(),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn words_mean_what_people_think() {
    for (text, expected) in [
        ("a: no", r#"{"a":"no"}"#),
        ("a: [yes, on, off, y, n, True, FALSE]", r#"{"a":["yes","on","off","y","n","True","FALSE"]}"#),
        ("on: {push: true}", r#"{"on":{"push":true}}"#),
        ("a: [0755, 007, -01, 1_000, 0x1F, 0o17, 0b1]", r#"{"a":["0755","007","-01","1_000",31,15,"0b1"]}"#),
        ("a: [0, -5, +5, 10]", r#"{"a":[0,-5,5,10]}"#),
        ("a: [1.5, 1e3, .5, -2., 1.0, 00.5]", r#"{"a":[1.5,1000.0,0.5,-2.0,1.0,"00.5"]}"#),
        ("a: [.inf, .nan, .a, .]", r#"{"a":[".inf",".nan",".a","."]}"#),
        ("a:\nb: null\nc: ~", r#"{"a":null,"b":null,"c":null}"#),
        ("a: 18446744073709551615", r#"{"a":18446744073709551615}"#),
        ("a: 12:30:45", r#"{"a":"12:30:45"}"#),
        ("a: 2026-11-23", r#"{"a":"2026-11-23"}"#),
        ("a: '1'\nb: \"true\"", r#"{"a":"1","b":"true"}"#),
        ("1: a\ntrue: b\n~: c", r#"{"1":"a","true":"b","~":"c"}"#),
        ("", "null"),
        ("# nothing\n", "null"),
        ("\u{feff}a: 1", r#"{"a":1}"#),
        ("---\na: 1\n...\n", r#"{"a":1}"#),
        (r#"{"a": [1, "x\n", null, {"b": false}], "c": 1.5e3}"#, r#"{"a":[1,"x\n",null,{"b":false}],"c":1500.0}"#),
        ("z: 1\na: 2\nm: 3", r#"{"z":1,"a":2,"m":3}"#),
        ("a: |\n  x\n   y\n\n  z\n", r#"{"a":"x\n y\n\nz\n"}"#),
        ("a: >-\n  x\n  y\n", r#"{"a":"x y"}"#),
        ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ("a: |\r\n  x\r\nb: 1\r\n", r#"{"a":"x\n","b":1}"#),
    ] {
        assert_eq!(json(text), expected, "{text:?}");
    }
}

#[test]
fn mistakes_are_named_with_line_and_column() {
    let deep = format!("a: {}", "[".repeat(10_000));
    let deep_block: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth.min(700)))).collect();
    let laughs: String =
        (1..20).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(","))).collect();
    let laughs = format!("a0: &a0 [lol]\n{laughs}");
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3", "3:1: the key `a` occurs twice, first at 1:1"),
        (
            "x: {b: 1, 'b': 2}\ny: 1\ny: 2",
            "1:11: the key `b` occurs twice, first at 1:5\n3:1: the key `y` occurs twice, first at 2:1",
        ),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here; a file has one"),
        ("a: !!binary aGk=", "1:4: `!!binary`: tags are not available; leave it out"),
        ("a: *nowhere", "1:4: `*nowhere` has no anchor `&nowhere` before it"),
        ("a: &a [1, *a]", "1:11: an alias stands inside the value that it repeats"),
        ("? [1, 2]\n: x", "1:3: a key must be text, this one is a list"),
        (
            "a: 99999999999999999999",
            "1:4: the number 99999999999999999999 does not fit into 64 bits; quote it to make it text",
        ),
        ("a: 1e999", "1:4: the number 1e999 is too large; quote it to make it text"),
        (&laughs, "a file has at most 200000 values, aliases repeated"),
        ("a:\n\tb: 1", "2:"),
        ("a: \"open", "1:"),
        ("a: 'open\nb: 1", "1:4"),
        ("a: [1, 2", "1:"),
        ("a: b: c", "1:"),
        ("a: 1\n b: 2", "2:"),
        ("- a\nb: 1", "2:"),
        ("a: %x", "1:4"),
        ("a: @x", "1:4"),
        (&deep, "1:"),
        (&deep_block, "10"),
    ] {
        let found = json(text);
        assert!(parse(text).is_err(), "{text:?}: {found}");
        let exact = expected.contains(' ');
        let right = if exact {
            found == expected || found.ends_with(&format!(": {expected}"))
        } else {
            found.starts_with(expected)
        };
        assert!(right, "{:?}\n{found}", &text[..text.len().min(80)]);
    }
}

#[test]
fn files_that_are_too_long_are_refused() {
    assert_eq!(json(&" ".repeat((8 << 20) + 1)), "1:1: a file has at most 8388608 bytes, this one has 8388609");
}

const FLOW: &str = "\
nodes:
  size:
    run: [stat, -c, \"%s\", '${ .path }']
    output: '{bytes: (.stdout | tonumber)}'
  hash:
    set: |
      {
        a: 1,
        b: lenght
      }
    when: >-
      .a == 1 and
      .b == lenght
    quoted: \"x\\ty\\\"\\u00e9 lenght\"
    single: 'it''s lenght'
    plain: .a |
      lenght
    indented: |2
        .a |
       lenght
";

#[test]
fn bytes_of_texts_have_their_place() {
    let flow = parse(FLOW).unwrap();
    for (path, word, expected) in [
        (&["nodes", "size", "run", "3"][..], ".path", "3:31"),
        (&["nodes", "size", "output"], "tonumber", "4:33"),
        (&["nodes", "size", "run", "0"], "stat", "3:11"),
        (&["nodes", "hash", "set"], "lenght", "9:12"),
        (&["nodes", "hash", "set"], "{", "7:7"),
        (&["nodes", "hash", "set"], "}", "10:7"),
        (&["nodes", "hash", "when"], "lenght", "13:13"),
        (&["nodes", "hash", "when"], ".a", "12:7"),
        (&["nodes", "hash", "quoted"], "lenght", "14:27"),
        (&["nodes", "hash", "single"], "lenght", "15:20"),
        (&["nodes", "hash", "plain"], "lenght", "17:7"),
        (&["nodes", "hash", "indented"], "lenght", "20:8"),
    ] {
        let found = flow.at(path).unwrap();
        let offset = found.as_str().unwrap().find(word).unwrap();
        assert_eq!(found.position_in(offset).to_string(), expected, "{path:?} {word}");
        assert_eq!(flow.place(path, Some(offset), false).to_string(), expected);
    }
}

#[test]
fn the_end_of_a_text_is_after_its_last_sign() {
    for (text, expected) in [("a: .b +", "1:8"), ("a: '.b +'", "1:9"), ("a: |\n  .b +\n", "2:7"), ("a: ''", "1:4")] {
        let found = parse(text).unwrap();
        let text = found.at(&["a"]).unwrap();
        assert_eq!(text.position_in(text.as_str().unwrap().len()).to_string(), expected);
    }
}

#[test]
fn keys_and_values_have_their_places() {
    let flow = parse(FLOW).unwrap();
    let places = |path: &[&str]| {
        let key = flow.key_at(path).map_or_else(String::new, |key| key.position().to_string());
        (key, flow.at(path).map_or_else(String::new, |found| found.position().to_string()))
    };
    assert_eq!(places(&["nodes"]), ("1:1".into(), "2:3".into()));
    assert_eq!(places(&["nodes", "size", "run"]), ("3:5".into(), "3:10".into()));
    assert_eq!(places(&["nodes", "size", "run", "2"]), (String::new(), "3:21".into()));
    assert_eq!(places(&["nodes", "size", "missing"]), (String::new(), String::new()));
    assert_eq!(flow.place(&["nodes", "size", "missing"], None, false).to_string(), "2:3", "missed at its map's key");
    assert_eq!(flow.place(&["nodes", "hash", "when"], None, true).to_string(), "11:5");
    assert_eq!(flow.place::<&str>(&[], None, false).to_string(), "1:1");
    assert_eq!(parse("[ü, x]").unwrap().at(&["1"]).unwrap().position().to_string(), "1:5", "columns count characters");
}

fn places_are_inside(located: &Located, lines: usize) -> bool {
    let children: Vec<&Located> = match (located.as_seq(), located.as_map()) {
        (Some(items), _) => items.iter().collect(),
        (_, Some(entries)) => entries.iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    located.line <= lines + 1 && children.into_iter().all(|child| places_are_inside(child, lines))
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        "[ -~äß\\n]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec(("[ -~ä]{0,8}", inner), 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_yaml(json in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.unwrap();
        let located = parse(&text).unwrap();
        prop_assert!(places_are_inside(&located, text.lines().count()));
        prop_assert_eq!(located.to_json(), json, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c:,\\[\\]{}&*!|>'\"%@ \\n\\t#?0-9-]{0,60}") {
        if let Ok(located) = parse(&text) {
            prop_assert!(places_are_inside(&located, text.lines().count()));
            let at = |located: &Located| located.as_str().map(|text| located.position_in(text.len() / 2));
            at(&located);
        }
    }
}
