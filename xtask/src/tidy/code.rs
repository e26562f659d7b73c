//! Just enough of Rust's lexical grammar to tell code from comments and literals, and shipped code from tests.

use std::ops::Range;

/// A Rust file, line by line.
#[derive(Debug, Clone, Default)]
pub(super) struct Code {
    /// The lines with comments and the contents of literals replaced by blanks.
    pub(super) lines: Vec<String>,
    /// Line comments with their line, from 1.
    pub(super) comments: Vec<(usize, String)>,
    /// Whether each line belongs to a test.
    tests: Vec<bool>,
}

impl Code {
    /// Reads a file; `all_tests` where the whole file is one.
    pub(super) fn read(text: &str, all_tests: bool) -> Self {
        let mut lexer = Lexer { rest: text, blanked: String::with_capacity(text.len()), comments: Vec::new(), line: 1 };
        lexer.run();
        let lines: Vec<String> = lexer.blanked.split('\n').map(str::to_owned).collect();
        let mut tests = vec![all_tests; lines.len()];
        for region in test_regions(&lexer.blanked) {
            let first = line_of(&lexer.blanked, region.start);
            let last = line_of(&lexer.blanked, region.end);
            tests[first - 1..last].fill(true);
        }
        Self { lines, comments: lexer.comments, tests }
    }

    /// Lines from 1 that are not of tests.
    pub(super) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all().filter(|(number, _)| !self.tests[number - 1])
    }

    /// Lines from 1 that are of tests.
    pub(super) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all().filter(|(number, _)| self.tests[number - 1])
    }

    /// All lines from 1.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()))
    }
}

/// Whether `line` has `word` with no letter, digit or underscore next to it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    word_at(line, word).is_some()
}

/// Where `line` has `word` as a word, the first time.
pub(super) fn word_at(line: &str, word: &str) -> Option<usize> {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).map(|(at, _)| at).find(|at| {
        let (before, after) = (line[..*at].chars().next_back(), line[at + word.len()..].chars().next());
        let (first, last) = (word.chars().next(), word.chars().next_back());
        !(joins(first) && joins(before) || joins(last) && joins(after))
    })
}

struct Lexer<'a> {
    rest: &'a str,
    blanked: String,
    comments: Vec<(usize, String)>,
    line: usize,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.comments.push((self.line, self.rest[..end].to_owned()));
                self.blank(end);
            } else if self.rest.starts_with("/*") {
                self.blank(block_comment(self.rest));
            } else if let Some(end) = raw_string(self.rest).filter(|_| !self.is_inside_word()) {
                self.blank(end);
            } else if first == '"' {
                self.blank(quoted(self.rest, '"'));
            } else if let Some(end) = character(self.rest) {
                self.blank(end);
            } else {
                self.keep(first.len_utf8());
            }
        }
    }

    /// Whether the text before is a word that goes on here, as in `for` before `r`.
    fn is_inside_word(&self) -> bool {
        self.blanked.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn keep(&mut self, bytes: usize) {
        let (text, rest) = self.rest.split_at(bytes);
        self.line += text.matches('\n').count();
        self.blanked.push_str(text);
        self.rest = rest;
    }

    fn blank(&mut self, bytes: usize) {
        let (text, rest) = self.rest.split_at(bytes);
        self.line += text.matches('\n').count();
        self.blanked.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of a block comment, which may contain others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = text[prefix.len()..].len() - text[prefix.len()..].trim_start_matches('#').len();
    let body = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[body..].find(&end).map_or(text.len(), |at| body + at + end.len()))
}

/// The length of a literal that begins with a quote and knows escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let first = chars.next()?;
    (first == '\\' || chars.next() == Some('\'')).then(|| quoted(text, '\''))
}

/// The bytes of items marked `#[cfg(test)]` or `#[test]` (of any path).
fn test_regions(blanked: &str) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    for (at, _) in blanked.match_indices("#[") {
        let attribute = &blanked[at + 2..];
        let attribute = attribute[..attribute.find([']', '\n']).unwrap_or(attribute.len())].trim();
        let path = attribute.split(['(', ' ']).next().unwrap_or_default();
        let marks = attribute.starts_with("cfg(test)")
            || attribute.starts_with("cfg(all(test")
            || path == "test"
            || path.ends_with("::test");
        if marks && regions.last().is_none_or(|last| last.end <= at) {
            regions.push(at..item_end(blanked, at));
        }
    }
    regions
}

/// The end of the item at `from`: its closing brace, or a semicolon before any.
fn item_end(blanked: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in blanked[from..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return from + at,
            '}' => depth -= 1,
            ';' if depth == 0 => return from + at,
            _ => {}
        }
    }
    blanked.len()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(text: &str) -> String {
        Code::read(text, false).lines.join("\n")
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        for text in [
            "// bad",
            "/* bad /* bad */ bad */",
            "\"bad \\\" bad\"",
            "r#\"bad \" bad\"#",
            "br\"bad\"",
            "'\\''; \"bad\"",
            "\"first\nbad\"",
        ] {
            assert!(!blanked(text).contains("bad"), "{text}: {}", blanked(text));
            assert_eq!(blanked(text).lines().count(), text.lines().count(), "{text}");
        }
    }

    #[test]
    fn code_around_them_stays() {
        for text in [
            "fn f<'a>(x: &'a str) { good }",
            "'x'; good",
            "'\\u{1F600}'; good",
            "\"\"; good",
            "a / b; good",
            "for\"x\"; good",
            "\"é\"; good",
        ] {
            assert!(blanked(text).contains("good"), "{text}: {}", blanked(text));
        }
    }

    #[test]
    fn tests_are_told_from_shipped_code() {
        let code = Code::read(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if x {} }\n}\nfn c() {}\n#[tokio::test]\nasync fn d() {\n}\n",
            false,
        );
        let numbers: Vec<usize> = code.tests().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 7, 8, 9]);
    }

    #[test]
    fn a_test_module_in_another_file_hides_nothing_here() {
        let code = Code::read("#[cfg(test)]\nmod tests;\nfn shipped() {}\n", false);
        assert!(code.shipped().any(|(number, _)| number == 3));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use tokio::time;", "tokio"));
        assert!(!has_word("use tokio_util::x;", "tokio"));
        assert!(has_word("a(Instant::now())", "Instant::now"));
        assert!(!has_word("deny(unsafe_code)", "unsafe"));
        assert!(has_word("unsafe_code(); unsafe {", "unsafe"));
    }
}
