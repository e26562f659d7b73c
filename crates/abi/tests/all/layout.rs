//! The layout is frozen, and the C header is the same.

use std::{fmt::Write as _, fs, process::Command};

use batchmill_abi::layout::{self, shapes};

/// The layout as text: one line a field.
fn rendered() -> String {
    let mut text = String::new();
    for shape in shapes() {
        writeln!(text, "{} {}", shape.name, shape.size).unwrap();
        for (field, offset, size) in shape.fields {
            writeln!(text, "    {offset:>4} {size:>3} {field}").unwrap();
        }
    }
    text
}

/// A line of this file never changes, but for the sizes of structs. A new minor version appends.
#[test]
fn the_layout_is_that_of_version_1_1() {
    assert_eq!(rendered(), include_str!("fixtures/layout-1.1.txt"), "the ABI is append-only: see `layout`");
}

/// This file never changes.
#[test]
fn what_version_1_0_had_is_where_it_was() {
    let now = shapes();
    let mut shape = None;
    for line in include_str!("fixtures/layout-1.0.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| words[place].parse::<usize>().unwrap();
        if line.starts_with(' ') {
            let shape: &layout::Shape = shape.expect("a struct begins with its name");
            let field = shape.fields.iter().find(|(name, ..)| *name == words[2]);
            assert_eq!(field, Some(&(words[2], number(0), number(1))), "{}", shape.name);
        } else {
            let found = now.iter().find(|shape| shape.name == words[0]).unwrap_or_else(|| panic!("no {line}"));
            assert!(found.size >= number(1), "{line}: it is shorter now");
            shape = Some(found);
        }
    }
}

#[test]
fn the_c_header_has_the_same_layout_and_the_same_numbers() {
    let mut code = String::from("#include \"batchmill_plugin.h\"\n");
    for shape in shapes() {
        let name = shape.name;
        writeln!(code, "_Static_assert(sizeof({name}) == {}, \"{name}\");", shape.size).unwrap();
        for (field, offset, size) in shape.fields {
            writeln!(code, "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");").unwrap();
            writeln!(code, "_Static_assert(sizeof((({name} *)0)->{field}) == {size}, \"{name}.{field}\");").unwrap();
        }
    }
    for (name, value) in numbers() {
        writeln!(code, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
    }
    writeln!(code, "_Static_assert(BM_MAGIC == UINT64_C({}), \"BM_MAGIC\");", layout::MAGIC).unwrap();
    writeln!(code, "_Static_assert(BM_NEVER == UINT64_C({}), \"BM_NEVER\");", layout::NEVER).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("layout.c");
    fs::write(&source, code).unwrap();
    for standard in ["-std=c11", "-std=c17"] {
        let compiled = Command::new("cc")
            .args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"])
            .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include"))
            .arg(&source)
            .output()
            .expect("a C compiler is needed to build Batchmill, and for its tests");
        assert!(compiled.status.success(), "{standard}: {}", String::from_utf8_lossy(&compiled.stderr));
    }
}

/// The constants by their names in C.
fn numbers() -> Vec<(&'static str, i64)> {
    macro_rules! all {
        ($($name:literal = $constant:ident),* $(,)?) => { vec![$(($name, i64::try_from(layout::$constant).unwrap())),*] };
    }
    all![
        "BM_ABI_MAJOR" = ABI_MAJOR,
        "BM_ABI_MINOR" = ABI_MINOR,
        "BM_OK" = OK,
        "BM_NONE" = NONE,
        "BM_ERROR" = ERROR,
        "BM_PANIC" = PANIC,
        "BM_POISONED" = POISONED,
        "BM_CONFIG" = CONFIG,
        "BM_TEMPORARY" = TEMPORARY,
        "BM_CLOSED" = CLOSED,
        "BM_FLAG_PANIC_ABORT" = FLAG_PANIC_ABORT,
        "BM_FLAG_DEBUG" = FLAG_DEBUG,
        "BM_FLAG_THREADS" = FLAG_THREADS,
        "BM_KIND_SCHEDULER" = KIND_SCHEDULER,
        "BM_KIND_RETRY" = KIND_RETRY,
        "BM_KIND_FAILURE" = KIND_FAILURE,
        "BM_KIND_GOVERNOR" = KIND_GOVERNOR,
        "BM_KIND_SINK" = KIND_SINK,
        "BM_KIND_NODE" = KIND_NODE,
        "BM_KIND_CHECKPOINTER" = KIND_CHECKPOINTER,
        "BM_KIND_VERSION" = KIND_VERSION,
        "BM_CLASS_NONE" = CLASS_NONE,
        "BM_PICK_RUN" = PICK_RUN,
        "BM_PICK_NOT_BEFORE" = PICK_NOT_BEFORE,
        "BM_PICK_EMPTY" = PICK_EMPTY,
        "BM_CAN_HOLD" = CAN_HOLD,
        "BM_HAS_SHARES" = HAS_SHARES,
        "BM_CHARGES_MEMORY" = CHARGES_MEMORY,
        "BM_SKIPS_FINISH" = SKIPS_FINISH,
        "BM_USED_MEMORY" = USED_MEMORY,
        "BM_USED_CPU" = USED_CPU,
        "BM_RETRY_AFTER" = RETRY_AFTER,
        "BM_RETRY_GIVE_UP" = RETRY_GIVE_UP,
        "BM_DIRECTIVE_CONTINUE" = DIRECTIVE_CONTINUE,
        "BM_DIRECTIVE_PAUSE" = DIRECTIVE_PAUSE,
        "BM_DIRECTIVE_SOON" = DIRECTIVE_SOON,
        "BM_DIRECTIVE_NOW" = DIRECTIVE_NOW,
        "BM_RESUMED_AT_MARK" = RESUMED_AT_MARK,
        "BM_RESUMED_EMPTY" = RESUMED_EMPTY,
        "BM_LOG_ERROR" = LOG_ERROR,
        "BM_LOG_WARN" = LOG_WARN,
        "BM_LOG_INFO" = LOG_INFO,
        "BM_LOG_DEBUG" = LOG_DEBUG,
        "BM_LOG_TRACE" = LOG_TRACE,
        "BM_METRIC_COUNTER" = METRIC_COUNTER,
        "BM_METRIC_GAUGE" = METRIC_GAUGE,
        "BM_METRIC_HISTOGRAM" = METRIC_HISTOGRAM,
        "BM_METRIC_ADD" = METRIC_ADD,
        "BM_METRIC_SET" = METRIC_SET,
        "BM_METRIC_RECORD" = METRIC_RECORD,
    ]
}
