//! Files that are missing, not files, or not text.

use std::os::unix::ffi::OsStringExt;

use batchmill_config::HostConfig;

use crate::Case;

#[test]
fn usual_files_may_be_missing_and_the_file_of_a_flag_may_not() {
    let mut case = Case::new();
    case.request.system_file = Some(case.path("etc/config.toml"));
    case.request.user_file = Some("/dev/null/batchmill/config.toml".into());
    case.request.project_file = Some(case.path("batchmill.toml"));
    assert_eq!(case.good().config, HostConfig::default());
    case.request.explicit = Some(case.path("mine.toml"));
    assert_eq!(case.problems(), ["mine.toml: there is no such file"]);
}

#[test]
fn the_file_of_a_flag_replaces_that_of_the_project() {
    let mut case = Case::new().project("[executor]\nconcurrency = 1\ntimeout = \"1s\"\n");
    case.request.explicit = Some(case.write("mine.toml", "[executor]\nconcurrency = 2\n"));
    let loaded = case.good();
    assert_eq!(loaded.config.executor.concurrency.to_string(), "2");
    assert_eq!(loaded.config.executor.timeout.to_string(), "5m");
}

#[test]
fn a_file_without_an_end_is_no_config() {
    let mut case = Case::new();
    case.request.project_file = Some("/dev/zero".into());
    assert_eq!(case.problems(), ["/dev/zero: longer than a config can be, 16 MiB"]);
}

#[test]
fn a_folder_is_no_file() {
    let mut case = Case::new();
    case.request.project_file = Some(case.folder.path().join("batchmill.toml"));
    std::fs::create_dir(case.path("batchmill.toml")).unwrap();
    assert_eq!(case.problems(), ["batchmill.toml: this is a directory, not a file"]);
}

#[test]
fn text_must_be_utf8_and_says_where_it_is_not() {
    let case = Case::new().project(b"# caf\xe9\n");
    assert_eq!(case.problems(), ["batchmill.toml:1:6: not UTF-8 from here on; save the file as UTF-8"]);
    let case = Case::new().project(b"[executor]\ntimeout = \"\xff\"\n");
    assert_eq!(case.problems(), ["batchmill.toml:2:12: not UTF-8 from here on; save the file as UTF-8"]);
}

#[test]
fn an_empty_file_and_a_byte_order_mark_are_fine() {
    assert_eq!(Case::new().project("").good().config, HostConfig::default());
    let loaded = Case::new().project("\u{feff}[executor]\nconcurrency = 3\n").good();
    assert_eq!(loaded.config.executor.concurrency.to_string(), "3");
}

#[test]
fn a_variable_must_be_utf8() {
    let mut case = Case::new();
    let value = std::ffi::OsString::from_vec(b"caf\xe9".to_vec());
    case.request.env.push(("BATCHMILL_SCHEDULER__KIND".into(), value));
    assert_eq!(case.problems(), ["BATCHMILL_SCHEDULER__KIND (environment): scheduler.kind: the value is not UTF-8"]);
}
