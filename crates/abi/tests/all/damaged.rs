//! Files that are cut off or damaged. Nothing of them is loaded: `dlopen` of such a file may kill the process.

use std::{collections::BTreeSet, fs};

use batchmill_abi::{host::inspect, layout};
use batchmill_testkit::Seed;

use crate::compiler::Bench;

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_ends() {
    let bench = Bench::new();
    let bytes = fs::read(bench.steady(&[])).unwrap();
    inspect(&bytes).unwrap();
    for percent in [1, 10, 40, 70, 95, 99] {
        let message = inspect(&bytes[..bytes.len() * percent / 100]).unwrap_err().to_string();
        assert!(message.contains("truncated") || message.contains("no dynamic library"), "{percent} %: {message}");
    }
    for end in (0..bytes.len()).step_by(7) {
        assert!(inspect(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
    }
}

/// Whatever stands in a file, reading it ends with an answer: no panic, no endless loop, no read beyond its end. What is
/// refused has a reason, and what is not may stand in logs and config.
#[test]
fn no_damage_makes_the_check_panic() {
    let bench = Bench::new();
    let bytes = fs::read(bench.steady(&[])).unwrap();
    let (mut seed, mut refused, mut reasons) = (Seed::new(6), 0, BTreeSet::new());
    let (table, sections) = (bytes[32..40].to_vec(), bytes[40..48].to_vec());
    let offset = |bytes: &[u8]| usize::try_from(u64::from_le_bytes(bytes.try_into().unwrap())).unwrap();
    // Where the tables are, so that most damage hits what is read.
    let header = bytes.windows(8).position(|bytes| bytes == layout::MAGIC.to_le_bytes()).expect("a header");
    let regions =
        [(0, 64), (offset(&table), 600), (offset(&sections), 2000), (header, 304), (header, 96), (0, bytes.len())];
    for _ in 0..40_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=seed.below(8) {
            let (from, length) = *seed.pick(&regions);
            let at = (from + usize::try_from(seed.below(length as u64)).unwrap()).min(bytes.len() - 1);
            damaged[at] = *seed.pick(&[0, 1, 0x7f, 0x80, 0xff, 0x40]);
        }
        if seed.once_in(10) {
            damaged.truncate(usize::try_from(seed.below(bytes.len() as u64)).unwrap());
        }
        match inspect(&damaged) {
            Ok(header) => {
                let may = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
                assert!((1..=63).contains(&header.name.len()) && header.name.bytes().all(may), "{header:?}");
                assert_eq!((header.abi.0, header.min_host_minor <= layout::ABI_MINOR), (1, true), "{header:?}");
                let shown = [header.version, header.toolchain, header.target].concat();
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
            }
            Err(problem) => {
                let message = problem.to_string();
                assert!(!message.chars().any(char::is_control), "{message:?}");
                reasons.insert(message.chars().take(24).collect::<String>());
                refused += 1;
            }
        }
    }
    assert!(refused > 10_000, "only {refused} of 40,000 were refused: the damage misses");
    assert!(reasons.len() >= 10, "only these reasons: {reasons:#?}");
}
