//! Expressions that would take a machine down without limits: each ends with a documented error.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::{Filter, Limits, Vars};

/// The code of the error that a run ends with.
#[track_caller]
fn code(filter: &str) -> String {
    // Small enough that a debug build is quick; without the clock's help, which differs between machines.
    let limits = Limits { steps: 400_000, bytes: 16 << 20, time: Duration::from_secs(3600), ..Limits::default() };
    let filter = Filter::with_limits(filter, limits).unwrap_or_else(|errors| panic!("{errors:?}"));
    let error = filter.run_all(&json!([]), &Vars::none()).expect_err("it must not end well");
    error.code.into_owned()
}

/// What an expression yields.
#[track_caller]
fn yields(filter: &str) -> Vec<Json> {
    Filter::compile(filter).unwrap().run_all(&json!([]), &Vars::none()).unwrap()
}

/// Why an expression is not accepted.
#[track_caller]
fn refusal(filter: &str) -> String {
    Filter::compile(filter).map(|_| ()).unwrap_err()[0].message.clone()
}

/// One test an expression, named after what it tries.
macro_rules! ends_with {
    ($code:literal: $($name:ident: $($filter:literal),+;)+) => {
        $(#[test]
        fn $name() {
            $(assert_eq!(code($filter), $code, "{}", $filter);)+
        })+
    };
}

ends_with! { "expression_limit":
    a_range_without_end: "range(1e12)", "[range(infinite)] | length", "[range(0; 10; 0)] | length";
    text_repeated_beyond_memory: "\"x\" * 1e12", "\"x\" * infinite", "\"x\" * 1e308";
    lists_nested_without_bound: "reduce range(1e6) as $i (1; [.])";
    objects_nested_without_bound: "reduce range(1e6) as $i (1; {a: .})";
    a_reduce_over_too_much: "reduce range(1e9) as $i (0; . + $i)";
    a_foreach_over_too_much: "[foreach range(1e9) as $i (0; . + 1)] | length";
    a_limit_that_is_none: "[limit(1e9; range(1e12))] | length", "nth(1e9; range(1e12))", "[skip(1e12; range(1e13))] | length";
    a_small_value_that_is_a_large_tree_as_json: "reduce range(60) as $i (1; [., .]) | tojson", "reduce range(60) as $i (1; [., .]) | map_values(.) | tojson";
    a_large_tree_compared: "reduce range(60) as $i (1; [., .]) | . as [$a, $b] | $a < $b", "reduce range(60) as $i (1; [., .]) | unique";
    a_large_tree_walked: "reduce range(60) as $i (1; [., .]) | walk(.)", "reduce range(60) as $i (1; [., .]) | [paths] | length", "reduce range(60) as $i (1; [., .]) | [..] | length";
    a_large_tree_merged: "reduce range(60) as $i ({}; {a: ., b: .}) | . * .";
    json_text_that_becomes_a_large_tree: "(\"[\" + \"1,\" * 3000000 + \"1]\") | fromjson | length";
    json_text_that_nests_deeper_than_values_may: "(\"[\" * 110 + \"]\" * 110) | fromjson | [.]";
    splits_of_a_long_text: "(\"a,\" * 4000000) | [splits(\",\")] | length", "(\"a,\" * 4000000) / \",\" | length";
    matches_of_nothing_everywhere: "(\"a\" * 1000000) | [match(\"\"; \"g\")] | length";
    substitutions_in_a_long_text: "(\"a\" * 1000000) | gsub(\"a\"; \"bb\") | length";
    a_regular_expression_of_many_repetitions_over_a_long_text: "(\"a\" * 1000000) | test(\"(a{100}){100}b\")";
    a_regular_expression_compiled_again_and_again: "[range(1e6) | \"x\" | test(\"\\\\w{200}\")] | length";
    base64_of_a_long_text: "(\"A\" * 14000000) | @base64d | length", "(\"A\" * 14000000) | @base64 | length";
    text_escaped_for_html_shells_and_addresses: "(\"<\" * 5000000) | @html | length", "(\"'\" * 5000000) | @sh | length", "(\"é\" * 2500000) | @uri | length";
    implode_of_a_long_list: "[range(1000000)] | implode | length";
    explode_of_a_long_text: "(\"a\" * 10000000) | explode | length";
    a_prefix_taken_from_a_long_text_again_and_again: "(\"x\" * 1000000) as $s | reduce range(1e7) as $i (0; $s | ltrimstr($s) | length)", "(\"x\" * 1000000) as $s | reduce range(1e7) as $i (0; if $s | startswith($s) then 1 else 0 end)";
    a_part_sought_in_bytes_that_are_no_text: "(\"/w==\" | @base64d) * 8000000 | contains((\"/w==\" | @base64d) * 4000000 + \"a\")", "(\"/w==\" | @base64d) * 8000000 | indices((\"/w==\" | @base64d) * 4000000 + \"a\")";
    a_path_of_a_million_steps: "getpath([range(1000000)])", "null | setpath([range(1000000) | \"a\"]; 1)";
    everything_deleted_one_by_one: "[range(100000)] | del(.[range(100000)]) | length", "[range(100000)] | delpaths([range(100000) | [.]]) | length";
    all_combinations: "[range(100)] | combinations(9) | select(false)", "[[range(1000)], [range(1000)], [range(1000)]] | combinations | select(false)";
    an_object_of_too_many_keys: "reduce range(1e7) as $i ({}; .[\"k\\($i)\"] = $i) | length";
    too_many_outputs: "range(10001)";
    an_error_that_is_caught_does_not_lift_the_limit: "try range(1e12) catch 0", "[range(1e12)?] // 1", "(range(1e12) | select(false))?";
}

ends_with! { "expression_failed":
    a_huge_index_written_to: "[] | .[1e9] = 1", "null | .[1e9] = 1", "[] | setpath([1e9]; 1)";
    json_text_of_brackets_only: "(\"[\" * 1000000) | fromjson";
    a_number_of_a_million_digits: "(\"1\" * 1000000) | tonumber", "(\"1\" * 1000000) | fromjson";
    characters_that_do_not_exist: "[55296] | implode", "[1e12] | implode", "[null] | implode";
    moments_outside_the_calendar: "1e300 | todate", "-1e18 | todate", "infinite | gmtime", "[1e18, 1e18, 1e18, 1e18, 1e18, 1e18] | mktime";
    widths_beyond_reason_in_a_date: "0 | strftime(\"%99999999Y\")";
    a_pattern_beyond_its_length: "\"a\" | test(\"a\" * 2000)";
    an_error_that_is_a_large_tree: "reduce range(60) as $i (1; [., .]) | error";
}

ends_with! { "bad_update":
    numbers_beyond_json: "pow(10; 1e9)", "1e308 * 10", "1e308 | ldexp(.; 1000000000)";
}

#[test]
fn a_regular_expression_that_others_backtrack_over_is_quick() {
    assert_eq!(yields("(\"a\" * 50) | test(\"(a+)+(a+)+(a*)*b\")"), [json!(false)]);
}

#[test]
fn repeated_squares_become_infinite_and_not_long() {
    assert_eq!(yields("reduce range(100) as $i (7; . * .) | . == infinite"), [json!(true)]);
}

#[test]
fn loops_without_end_are_refused_when_the_flow_is_read() {
    for filter in
        ["until(false; .)", "while(true; .)", "repeat(1)", "limit(5; repeat(1))", "recurse(.)", "recurse(.; true)"]
    {
        assert!(refusal(filter).ends_with("is not available here: it may run without end"), "{filter}");
    }
    assert!(refusal("def f: f; f").contains("a definition may call itself without end"));
}
