//! Tables: text in, text out.

use std::time::Duration;

use batchmill_core::{BatchId, ErrorClass, JobId, JobInfo, NodeError, StateData};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::{ExprError, Filter, Limits, Template, Vars, convert, meter};

fn object(json: &str) -> StateData {
    serde_json::from_str(json).unwrap()
}

/// All outputs over an input as JSON texts, or the code of the error and its message.
fn outputs(filter: &str, input: &str) -> String {
    let input: Json = serde_json::from_str(input).unwrap();
    match Filter::compile(filter).unwrap().run_all(&input, &Vars::none()) {
        Ok(outputs) => outputs.iter().map(Json::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{}: {}", error.code, error.message),
    }
}

fn mistakes(filter: &str) -> String {
    let errors = Filter::compile(filter).map(|_| ()).unwrap_err();
    errors.iter().map(|ExprError { offset, message }| format!("{offset} {message}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_looks_at_nothing_yields_the_same_again_and_what_looks_does_not() {
    for (text, looks) in [
        (r#"{status: "new", tags: [1, "a"]}"#, false),
        ("empty", false),
        ("[range(3)]", false),
        ("1, 2", false),
        (r#"error("no")"#, false),
        ("{n}", true),
        (".", true),
        ("to_entries", true),
        ("{at: $item}", true),
        ("$input.n", true),
    ] {
        let filter = Filter::compile(text).unwrap();
        let over = |n: u32| {
            let (state, item) = (object(&format!(r#"{{"n":{n}}}"#)), Json::from(n));
            let vars = Vars { input: Some(&state), item: Some(&item), ..Vars::none() };
            filter.run_one(&state, &vars).map_err(|error| error.to_string())
        };
        let first = over(1);
        assert_eq!(over(1), first, "{text}");
        assert_eq!(over(2) != first, looks, "{text}");
    }
}

#[test]
fn expressions_yield_what_jq_yields() {
    for (filter, input, expected) in [
        (".", r#"{"b":1,"a":[1,2.5,null]}"#, r#"{"b":1,"a":[1,2.5,null]}"#),
        (".a.b", r#"{"a":{"b":7}}"#, "7"),
        (".missing", "{}", "null"),
        (".[]", "[1,2]", "1 2"),
        ("empty", "1", ""),
        (r#"if .n > 5 then "large" else "small" end"#, r#"{"n":6}"#, r#""large""#),
        ("map(. * 2) | add", "[1,2,3]", "12"),
        (r#"{a, b: (.a + 1), "c": "\(.a)!"}"#, r#"{"a":1}"#, r#"{"a":1,"b":2,"c":"1!"}"#),
        ("4 / 2, 1 / 4, 0.5 + 0.5", "null", "2 0.25 1"),
        ("pow(2; 10), sqrt, floor", "16", "1024 4 16"),
        ("1.0, 1.5, 1e3", "null", "1.0 1.5 1000.0"),
        ("9223372036854775807, 18446744073709551615", "null", "9223372036854775807 18446744073709551615"),
        ("[range(3)], [range(0; 10; 3)]", "null", "[0,1,2] [0,3,6,9]"),
        ("reduce .[] as $x (0; . + $x)", "[1,2,3]", "6"),
        ("[foreach .[] as $x (0; . + $x)]", "[1,2,3]", "[1,3,6]"),
        ("[limit(2; .[])], first(.[])", "[5,6,7]", "[5,6] 5"),
        ("sort, (sort_by(-.)), min, max", "[2,1,3]", "[1,2,3] [3,2,1] 1 3"),
        ("group_by(.k) | map(length)", r#"[{"k":1},{"k":2},{"k":1}]"#, "[2,1]"),
        ("unique, (unique_by(. % 2))", "[3,1,3,2]", "[1,2,3] [2,3]"),
        ("to_entries", r#"{"b":1,"a":2}"#, r#"[{"key":"b","value":1},{"key":"a","value":2}]"#),
        ("with_entries(.value += 1)", r#"{"b":1,"a":2}"#, r#"{"b":2,"a":3}"#),
        ("del(.a), del(.b)", r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2,"c":3} {"a":1,"c":3}"#),
        ("del(.[0,1])", "[1,2,3]", "[2]"),
        (".a.b.c = 1", "{}", r#"{"a":{"b":{"c":1}}}"#),
        (".[1:2] = [8,9]", "[1,2,3]", "[1,8,9,3]"),
        (".[] |= . + 1", "[1,2]", "[2,3]"),
        ("[..]", r#"{"a":[1]}"#, r#"[{"a":[1]},[1],1]"#),
        ("[recurse | numbers]", "[1,[2]]", "[1,2]"),
        ("walk(if type == \"number\" then . + 1 else . end)", "[1,[2]]", "[2,[3]]"),
        ("flatten, flatten(1)", "[1,[2,[3]]]", "[1,2,3] [1,2,[3]]"),
        ("paths | tojson", r#"{"a":[1]}"#, r#""[\"a\"]" "[\"a\",0]""#),
        ("getpath([\"a\",\"b\"]), setpath([\"x\"]; 1)", r#"{"a":{"b":2}}"#, r#"2 {"a":{"b":2},"x":1}"#),
        ("split(\" \")[0]", r#""ab cd""#, r#""ab""#),
        ("join(\",\")", r#"[1,null,"a",true]"#, r#""1,,a,true""#),
        ("ascii_upcase, ltrimstr(\"a\"), length", r#""añ""#, r#""Añ" "ñ" 2"#),
        ("test(\"^a+$\"), [match(\"a\"; \"g\").offset], gsub(\"a\"; \"b\")", r#""aa""#, r#"true [0,1] "bb""#),
        ("capture(\"(?<y>[0-9]{4})-(?<m>[0-9]{2})\")", r#""2026-11""#, r#"{"y":"2026","m":"11"}"#),
        ("tonumber, (tonumber | tostring)", r#""12""#, r#"12 "12""#),
        ("tojson, (tojson | fromjson)", r#"{"a":[1,"x\n"]}"#, r#""{\"a\":[1,\"x\\n\"]}" {"a":[1,"x\n"]}"#),
        ("@base64, (@base64 | @base64d), @uri, @sh", r#""a b'""#, r#""YSBiJw==" "a b'" "a%20b%27" "'a b'\\'''""#),
        ("@csv, @tsv", r#"[1,"a\"b",null,true]"#, r#""1,\"a\"\"b\",,true" "1\ta\"b\t\ttrue""#),
        ("has(\"a\"), has(\"b\"), (keys), length", r#"{"c":1,"a":2}"#, r#"true false ["a","c"] 2"#),
        ("contains([2]), inside([1,2,3]), index(2), indices(1)", "[1,2]", "true true 1 [0]"),
        (".a // \"none\", (.b // empty)", r#"{"a":null}"#, r#""none""#),
        ("try error(\"x\") catch ., (.a? // 1)", "[]", r#""x" 1"#),
        ("[label $out | .[] | if . > 1 then break $out else . end]", "[1,2,3]", "[1]"),
        (". as [$a, {b: $c}] | $a + $c", r#"[1,{"b":2}]"#, "3"),
        ("\"ab\" * 3, (\"ab\" * 0)", "null", r#""ababab" null"#),
        ("{a: 1} * {b: {c: 2}}", "null", r#"{"a":1,"b":{"c":2}}"#),
        ("\"2026-11-23T12:00:00Z\" | fromdate | todate", "null", r#""2026-11-23T12:00:00Z""#),
        ("[.[] | ascii], implode, toarray", "[65]", r#"["A"] "A" [65]"#),
        ("transpose, combinations", "[[1,2],[3]]", "[[1,3],[2,null]] [1,3] [2,3]"),
    ] {
        assert_eq!(outputs(filter, input), expected, "{filter} over {input}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (filter, expected) in [
        ("", "0 expected an expression, found the end"),
        (".a +", "4 expected an expression, found the end"),
        (".a | | .b", "5 expected an expression, found `|`"),
        (".a)", "2 `)` does not belong here"),
        ("{a: 1", "5 `{` is never closed"),
        ("\"abc", "4 `\"` is never closed"),
        (".a.b &", "5 `&` does not belong here"),
        ("if .a then 1 else 2", "19 expected `end`, found the end"),
        ("lenght", "0 unknown function `lenght`, did you mean `length`?"),
        ("1 | lengthy_thing(.)", "4 unknown function `lengthy_thing`"),
        ("map", "0 `map` takes 1 argument, not 0"),
        (".a + $inptu", "5 unknown variable `$inptu`, did you mean `$input`?"),
        ("$state", "0 unknown variable `$state`, known are $input, $job, $item, $error"),
        (
            "zzzz | $barr",
            "0 unknown function `zzzz`\n7 unknown variable `$barr`, known are $input, $job, $item, $error",
        ),
        ("env.HOME", "0 `env` is not available here: an expression reads only the state and the variables of its job"),
        ("$ENV.A", "0 `$ENV` is not available here: an expression reads only the state and the variables of its job"),
        (
            "[now, input]",
            "1 `now` is not available here: an expression reads only the state and the variables of its job\n6 `input` is not available here: an expression reads only the state and the variables of its job",
        ),
        ("halt", "0 `halt` is not available here: an expression does not end the program; use `error`"),
        ("debug(1)", "0 `debug(…)` is not available here: an expression writes nothing"),
        (". as $x | def f: f; f", "14 `def` is not available here: a definition may call itself without end"),
        ("recurse(. + 1)", "0 `recurse(…)` is not available here: it may run without end"),
        ("\"\\(repeat(1))\"", "3 `repeat(…)` is not available here: it may run without end"),
        ("{a: [until(true; .)]}", "5 `until(…; …)` is not available here: it may run without end"),
        ("error_empty_thing", "0 unknown function `error_empty_thing`"),
    ] {
        assert_eq!(mistakes(filter), expected, "{filter}");
    }
}

#[test]
fn what_only_the_library_uses_cannot_be_called() {
    for inner in
        ["error_empty", "matches_unbounded(\"a\"; null)", "regex_fits(\"a\")", "halt(1)", "debug_empty", "env", "now"]
    {
        assert!(Filter::compile(inner).is_err(), "{inner}");
    }
}

#[test]
fn texts_that_would_overflow_the_stack_are_refused() {
    let deep = [
        format!("{}.{}", "(".repeat(100_000), ")".repeat(100_000)),
        "[".repeat(10_000),
        format!("\"{}\"", "\\(\"".repeat(4000)),
        "-".repeat(10_000) + "1",
        "try ".repeat(3000) + "1",
        "1|".repeat(5000) + "1",
        "1+".repeat(5000) + "1",
        ". as $x | ".repeat(1500) + ".",
        format!("{{{}}}", "a,".repeat(5000)),
        "if . then ".repeat(1000),
        "x".repeat(1 << 20),
    ];
    for text in deep {
        assert!(Filter::compile(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn the_longest_texts_that_are_accepted_also_run() {
    let longest = [
        "-".repeat(80) + "1",
        "1|".repeat(119) + "1",
        "1+".repeat(119) + "1",
        "1,".repeat(119) + "1",
        "1 // ".repeat(119) + "1",
        ". as $x | ".repeat(80) + "1",
        "try ".repeat(80) + "1",
        "label $a | ".repeat(80) + "1",
        format!("{{{}}}", (0..117).map(|i| format!("a{i}:1,")).collect::<String>()),
        format!("{}1{}", "[".repeat(32), "]".repeat(32)),
        format!("{}1{}", "(1+".repeat(32), ")".repeat(32)),
        format!("{}1{}", "-(".repeat(32), ")".repeat(32)),
        format!("{}1{}", "if 1 then ".repeat(80), " end".repeat(80)),
        format!("if 1 then 2 {} else 3 end", "elif null then 1 ".repeat(116)),
        format!("\"{}\"", "\\(1)".repeat(117)),
        format!(".{}", "[0]?".repeat(117)),
        format!("null | .{} = 1", "a.a".repeat(50).replace("aa", "a.a")),
    ];
    for text in longest {
        let filter = Filter::compile(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        filter.run_all(&Json::Null, &Vars::none()).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn a_run_without_end_or_bound_is_stopped() {
    // Without the clock's help.
    let time = Duration::from_secs(3600);
    let limits = Limits { steps: 300_000, bytes: 16 << 20, time, ..Limits::default() };
    for filter in [
        "range(1e12)",
        "[range(1000000000)] | length",
        "last(range(1e12))",
        "first(range(1e12) | select(. < 0))",
        "\"x\" * 1e12",
        "\"x\" * 1000000000000",
        "reduce range(1e12) as $i (0; . + 1)",
        "reduce range(100000000) as $i (0; .)",
        "[limit(1e12; range(1e12))] | length",
        "range(1e6) | range(1e6) | select(false)",
        "reduce range(100) as $i (\"x\"; . + .)",
        "reduce range(100) as $i ([1]; . + .)",
        "reduce range(200) as $i (null; [.])",
        "reduce range(90) as $i (1; [., .])",
        "reduce range(90) as $i (1; [., .]) | tojson",
        "reduce range(90) as $i (1; [., .]) | . == (. | map(.))",
        "reduce range(90) as $i (1; [., .]) | [.,.] | sort | length",
        "reduce range(90) as $i (1; [., .]) | [..] | length",
        "reduce range(90) as $i (1; [., .]) | flatten",
        "reduce range(90) as $i (1; {a: ., b: .})",
        "null | setpath([range(100000) | \"a\"]; 1)",
        "[range(1000)] | [combinations(9)] | length",
        "[.[] = range(1e9)]",
        "isempty(range(1e12) | select(false))",
        "any(range(1e12); false)",
        "try (range(1e12) | select(false)) catch 0",
        "range(1e12)? | select(false)",
        "[range(1e12)?] // 1",
        "[paths] | range(1e12) | empty",
        "label $out | range(1e12) | if . < 0 then break $out else empty end",
        "(\"a\" * 1000000) as $s | [range(1000) | $s + \"b\"] | length",
        "(\"a,\" * 10000000) | split(\",\") | length",
        "(\"a\" * 10000000) | explode | length",
        "(\"a\" * 1000000) | test(\"(a{100}){100}b\")",
        "(\"a\" * 1000000) as $s | [range(1000) | $s | test(\"a*b\")] | length",
        "(\"ab\" * 1000000) as $s | [range(1000) | $s | ascii_upcase] | length",
        "[range(100000)] as $l | [range(100000) | $l[]] | length",
        "[range(100000)] as $l | [range(100000) | $l - [1]] | length",
        "[range(100000)] as $l | range(100000) | $l | contains([-1]) | empty",
        "(\"1\" * 1000000) as $s | [range(1e6) | try ($s - 1) catch 0] | length",
        "reduce range(1e7) as $i (2; . * .) | empty, range(1e12)",
        "[limit(1000000; range(1e9))] | sort_by(-.) | [limit(100; range(100))] as $x | range(1e9) | empty",
        "[foreach range(1e9) as $i (0; 1, 2; .)] | length",
    ] {
        let filter = Filter::with_limits(filter, limits).unwrap();
        let code = filter.run_all(&json!([]), &Vars::none()).map_err(|error| error.code);
        assert_eq!(code.map(|outputs| outputs.len()), Err("expression_limit".into()), "{filter:?}");
    }
}

#[test]
fn each_limit_names_itself() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    for (limits, filter, expected) in [
        (limits(|l| l.outputs = 2), ".[]", "the expression yields more than 2 values (`.[]`)"),
        (limits(|l| l.steps = 100), "[range(1000)]", "the expression needs more than 100 steps (`[range(1000)]`)"),
        (
            limits(|l| l.bytes = 2 << 20),
            "\"x\" * 3000000",
            "the expression makes values of more than 2 MiB (`\"x\" * 3000000`)",
        ),
        (
            limits(|l| l.time = Duration::ZERO),
            "[range(100000)]",
            "the expression runs longer than 0ns (`[range(100000)]`)",
        ),
        (
            limits(|_| ()),
            "reduce range(101) as $i (1; [.])",
            "the expression nests more than 100 lists and objects (`reduce range(101) as $i (1; [.])`)",
        ),
    ] {
        let filter = Filter::with_limits(filter, limits).unwrap();
        let error = filter.run_all(&json!([1, 2, 3]), &Vars::none()).unwrap_err();
        assert_eq!((error.class, &*error.code, &*error.message), (ErrorClass::Resource, "expression_limit", expected));
    }
}

#[test]
fn what_a_flow_may_do_fits_the_limits() {
    let lines: String = (0..20_000).map(|i| format!("line {i} of a long output\n")).collect();
    let state = json!({"stdout": lines, "list": (0..20_000).collect::<Vec<_>>()});
    // Steps and bytes are the same on every machine; time is not.
    let limits = Limits { time: Duration::from_secs(3600), ..Limits::default() };
    for filter in [
        "{lines: (.stdout | split(\"\\n\") | length)}",
        "{words: [.stdout | scan(\"[0-9]+\")] | length}",
        "{sum: (.list | add), max: (.list | max), sorted: (.list | sort_by(-.) | .[0])}",
        "{even: [.list[] | select(. % 2 == 0)]}",
        "{groups: (.list | group_by(. % 7) | map(length))}",
        "{text: (.list | map(tostring) | join(\",\"))}",
    ] {
        let output = Filter::with_limits(filter, limits).unwrap();
        let output = output.run_one(state.as_object().unwrap(), &Vars::none());
        assert!(output.as_ref().is_ok_and(Option::is_some), "{filter}: {output:?}");
    }
}

fn failure(filter: &str, state: &str) -> (ErrorClass, String) {
    let error: NodeError = Filter::compile(filter).unwrap().run_one(&object(state), &Vars::none()).unwrap_err();
    (error.class, format!("{}: {}", error.code, error.message))
}

#[test]
fn failures_say_why_and_where() {
    for (filter, state, expected) in [
        (".a + 1", r#"{"a":"x"}"#, "expression_failed: cannot calculate \"x\" + 1 (in `.a + 1`)"),
        (".a.b", r#"{"a":[]}"#, "expression_failed: cannot index [] with \"b\" (in `.a.b`)"),
        ("error(\"no luck\")", "{}", "expression_failed: no luck (in `error(\"no luck\")`)"),
        ("error({a: 1})", "{}", "expression_failed: {\"a\":1} (in `error({a: 1})`)"),
        ("1 / 0", "{}", "expression_failed: 1 cannot be divided by zero (in `1 / 0`)"),
        ("{(.a): 1}", "{}", "expression_failed: a key of an object must be a string, found null (in `{(.a): 1}`)"),
        ("1, 2", "{}", "bad_update: the expression yields more than one value (`1, 2`)"),
        (
            "infinite",
            "{}",
            "bad_update: the result of the expression is not JSON: JSON has no number for Infinity (`infinite`)",
        ),
        ("[nan]", "{}", "bad_update: the result of the expression is not JSON: JSON has no number for NaN (`[nan]`)"),
        (
            "18446744073709551615 + 1",
            "{}",
            "bad_update: the result of the expression is not JSON: the whole number 18446744073709551616 does not fit into 64 bits (`18446744073709551615 + 1`)",
        ),
        (
            "\"/w==\" | @base64d",
            "{}",
            "bad_update: the result of the expression is not JSON: it has a text that is not UTF-8 (`\"/w==\" | @base64d`)",
        ),
    ] {
        assert_eq!(failure(filter, state), (ErrorClass::Permanent, expected.to_owned()), "{filter}");
    }
}

#[test]
fn long_values_and_filters_are_cut_in_messages() {
    let (_, message) =
        failure(&format!("  .a\n - 1{}", " + 0".repeat(100)), &json!({"a": "x".repeat(1 << 20)}).to_string());
    assert!(message.len() < 400, "{message}");
    assert!(message.contains("…") && message.contains("(in `.a - 1 + 0"), "{message}");
}

#[test]
fn conditions_are_true_as_in_jq() {
    let state = object(r#"{"class":"large","n":0,"no":false,"nothing":null}"#);
    for (filter, expected) in [
        (".class == \"large\"", Ok(true)),
        (".n", Ok(true)),
        (".no", Ok(false)),
        (".nothing", Ok(false)),
        ("empty", Ok(false)),
        (".n > 1 or .no", Ok(false)),
        ("true, true", Err("bad_update")),
        (".class - 1", Err("expression_failed")),
    ] {
        let answer = Filter::compile(filter).unwrap().run_bool(&state, &Vars::none());
        assert_eq!(answer.map_err(|error| error.code.into_owned()), expected.map_err(str::to_owned), "{filter}");
    }
}

#[test]
fn variables_are_there_and_null_when_absent() {
    let job = JobInfo::new(BatchId::new("b").unwrap(), JobId::new("j").unwrap());
    let (input, error) = (object(r#"{"path":"p"}"#), json!({"code": "c"}));
    let mut vars = Vars::of_job(&job, &input);
    vars.error = Some(&error);
    let filter = Filter::compile("{i: $input.path, $job, e: $error.code, $item}").unwrap();
    assert_eq!(
        filter.run_one(&StateData::new(), &vars).unwrap().unwrap().to_string(),
        r#"{"i":"p","job":{"id":"j","tenant":"default","priority":0,"attempt":1,"idempotency_key":"b/j"},"e":"c","item":null}"#
    );
    let all = Filter::compile("[$input, $job, $item, $error]").unwrap();
    assert_eq!(all.run_one(&StateData::new(), &Vars::none()).unwrap(), Some(json!([null, null, null, null])));
}

#[test]
fn templates_render_values_into_text() {
    let state = object(r#"{"path":"a b","n":3,"f":1.5,"list":[1,"x"],"o":{"k":"}"},"null":null,"t":true}"#);
    for (template, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("${ .path }", "a b"),
        ("x-${.n}-${ .f }-${.t}", "x-3-1.5-true"),
        ("${.list} ${.o}", r#"[1,"x"] {"k":"}"}"#),
        ("${ .o | {a: .k} }", r#"{"a":"}"}"#),
        ("${ \"}\" }", "}"),
        ("${ \"a\\(\"}\" + .path)\\\"}\" }", "a}a b\"}"),
        ("${ .path # } comment\n }!", "a b!"),
        ("$${ .path }", "${ .path }"),
        ("$$${ .path }", "$${ .path }"),
        ("$ {x} $x }", "$ {x} $x }"),
        ("ü${ .path }ü", "üa bü"),
        ("${ .null // \"\" }", ""),
        ("${ .null }", "expression_failed: `${.null}` has no value; write `// \"\"` after it where it may be empty"),
        ("${ empty }", "expression_failed: `${empty}` has no value; write `// \"\"` after it where it may be empty"),
        ("${ .path, .n }", "bad_update: the expression yields more than one value (`.path, .n`)"),
    ] {
        let rendered = Template::compile(template).unwrap().render(&state, &Vars::none());
        assert_eq!(
            rendered.unwrap_or_else(|error| format!("{}: {}", error.code, error.message)),
            expected,
            "{template}"
        );
    }
}

#[test]
fn mistakes_in_templates_have_their_place_in_the_whole_text() {
    for (template, expected) in [
        ("ab ${ .x", "3 `${` is never closed; write `$${` for the text `${`"),
        ("ab ${ \"} ", "3 `${` is never closed; write `$${` for the text `${`"),
        ("ab ${ lenght }", "6 unknown function `lenght`, did you mean `length`?"),
        (
            "${.a +} ${$x}",
            "6 expected an expression, found the end\n10 unknown variable `$x`, known are $input, $job, $item, $error",
        ),
        ("${}", "2 expected an expression, found the end"),
    ] {
        let errors = Template::compile(template).map(|_| ()).unwrap_err();
        let shown: Vec<_> = errors.iter().map(|error| format!("{} {}", error.offset, error.message)).collect();
        assert_eq!(shown.join("\n"), expected, "{template}");
    }
}

#[test]
fn a_literal_template_knows_that_it_is_one() {
    assert_eq!(Template::compile("a $${x").unwrap().literal(), Some("a ${x"));
    assert!(!Template::compile("${.}").unwrap().is_literal());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("JSON has finite numbers", |f| f.is_finite()).prop_map(Json::from),
        "\\PC*".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
            prop::collection::vec(("\\PC{0,6}", inner), 0..8)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_go_to_jq_and_come_back_as_they_were(json in any_json()) {
        meter::start(&Limits::default());
        let back = convert::json(&convert::value(&json).val).unwrap();
        // As text too: keys in their order, whole numbers whole.
        prop_assert_eq!(back.to_string(), json.to_string());
        prop_assert_eq!(back, json);
    }

    #[test]
    fn the_identity_filter_changes_nothing(json in any_json()) {
        prop_assert_eq!(Filter::compile(".").unwrap().run_one_on(&json, &Vars::none()).unwrap(), Some(json));
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC{0,60}") {
        let _ = Filter::compile(&text);
        let _ = Template::compile(&text);
    }
}
