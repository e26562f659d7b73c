//! From a byte of a text to where it was written.

use super::Place;

/// How a text was written.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The source of the text, with its quotes; of a block, from its first visible character.
    pub(super) raw: Box<str>,
    pub(super) quotes: Quotes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    None,
    Single,
    Double,
}

impl Origin {
    /// Where byte `offset` of `text` was written; `from` is where its value begins.
    ///
    /// YAML folds and indents: source and text differ in their white space only, once quotes are resolved. So the
    /// characters that are no white space are counted in the text and found again in the source.
    pub(super) fn place(&self, from: Place, text: &str, offset: usize) -> Place {
        let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (before, after) = text.split_at(offset);
        let visible = before.chars().filter(|c| !c.is_whitespace()).count();
        // In white space, and at the end: after the last visible character.
        let gap = before.chars().rev().take_while(|c| c.is_whitespace()).count();
        let at_gap = gap > 0 && after.chars().next().is_none_or(char::is_whitespace) && !before.trim_end().is_empty();
        let place = if after.chars().all(char::is_whitespace) || at_gap {
            visible.checked_sub(1).map_or(0, |last| self.unit(last).map_or(0, |(_, end)| end))
        } else {
            self.unit(visible).map_or(0, |(start, _)| start)
        };
        self.advance(from, place)
    }

    /// Start and end in the source of the visible character number `wanted`.
    fn unit(&self, wanted: usize) -> Option<(usize, usize)> {
        let mut seen = 0;
        let (mut at, mut rest) = match self.quotes {
            Quotes::None => (0, &self.raw[..]),
            Quotes::Single | Quotes::Double => (1, self.raw.get(1..self.raw.len().saturating_sub(1))?),
        };
        while let Some(first) = rest.chars().next() {
            let (length, visible) = match (self.quotes, first) {
                (Quotes::Single, '\'') => (2, true),
                (Quotes::Double, '\\') => escape(rest),
                (_, first) => (first.len_utf8(), !first.is_whitespace()),
            };
            let length = length.min(rest.len());
            if visible {
                if seen == wanted {
                    return Some((at, at + length));
                }
                seen += 1;
            }
            at += length;
            rest = rest.get(length..)?;
        }
        None
    }

    fn advance(&self, from: Place, bytes: usize) -> Place {
        let passed = self.raw.get(..bytes).unwrap_or_default();
        match passed.rsplit_once('\n') {
            Some((lines, last)) => {
                Place { line: from.line + 1 + lines.matches('\n').count(), column: 1 + last.chars().count() }
            }
            None => Place { line: from.line, column: from.column + passed.chars().count() },
        }
    }
}

/// The length of an escape in double quotes, and whether what it stands for is visible.
fn escape(text: &str) -> (usize, bool) {
    match text[1..].chars().next() {
        Some('x') => (4, true),
        Some('u') => (6, true),
        Some('U') => (10, true),
        Some('n' | 't' | 'r' | 'v' | 'f' | ' ' | '\t' | '\n' | 'N' | '_' | 'L' | 'P') => (2, false),
        Some(other) => (1 + other.len_utf8(), true),
        None => (1, true),
    }
}
