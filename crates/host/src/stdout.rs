//! Writing what a command found to stdout. (The results of `run` go there by a sink.)

use std::io::{self, Write};

use crate::exit::Exit;

/// Writes `text` whole.
pub(crate) fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    finish(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// The exit of a command that wrote to stdout: a reader that has seen enough (`| head`) is no error of a command that
/// only shows something.
pub(crate) fn finish(written: io::Result<()>) -> Exit {
    match written {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: stdout: {error}");
            Exit::Storage
        }
    }
}

/// JSON for people and programs.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Columns as wide as their widest cell; the last one is as long as it is.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[&str; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column]).chain([header[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in [&header].into_iter().chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["scheduler", "fifo", "first come"], ["sink", "jsonl", ""]];
        assert_eq!(
            table(["KIND", "NAME", "ABOUT"], &rows),
            "KIND       NAME   ABOUT\nscheduler  fifo   first come\nsink       jsonl\n"
        );
    }
}
