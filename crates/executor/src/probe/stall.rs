//! Pressure stall information of memory: how long tasks wait for it.

use std::path::Path;

use super::{Reading, Unavailable, text};

const FILE: &str = "proc/pressure/memory";

/// PSI `some avg10` of the machine, in percent.
pub(super) fn read(root: &Path) -> Reading<f64> {
    some_avg10(&text::file(root, FILE)?).ok_or_else(|| text::missing(FILE, "some avg10")).and_then(in_range)
}

fn in_range(percent: f64) -> Reading<f64> {
    let is_percentage = (0.0..=100.0).contains(&percent);
    if is_percentage { Ok(percent) } else { Err(Unavailable::new(format!("/{FILE} says {percent} percent"))) }
}

fn some_avg10(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_last_ten_seconds() {
        let captured =
            "some avg10=12.34 avg60=3.21 avg300=0.88 total=1234567\nfull avg10=9.01 avg60=2.00 avg300=0.50 total=99\n";
        assert_eq!(some_avg10(captured), Some(12.34));
        for other in ["", "full avg10=1.00 avg60=0.00 avg300=0.00 total=0\n", "some avg60=1.00\n", "some avg10=x\n"] {
            assert_eq!(some_avg10(other), None, "{other}");
        }
    }

    #[test]
    fn a_kernel_without_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path()).unwrap_err().to_string().starts_with("unavailable: /proc/pressure/memory: "));
    }
}
