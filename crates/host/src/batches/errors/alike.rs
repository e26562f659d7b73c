//! What messages of one kind have in common: the message without what is its job's own.

/// The message with what stands in quotes as `…`, each number as `#`, each path as `<path>` and each address as `<url>`. A
/// number is digits with what joins them (`10.0.0.1:80`, `12:30`), at least 8 hexadecimal digits and hyphens with a digit
/// among them (a hash, a UUID), or at least 16 letters and digits with four digits among them (another kind of id).
pub(super) fn common(message: &str) -> String {
    let unquoted = unquoted(message);
    let words = unquoted.split(' ').map(word);
    words.collect::<Vec<_>>().join(" ")
}

/// What quotes end the part that they begin.
const QUOTES: [(char, char); 6] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’'), ('«', '»')];

/// The message with nothing between its quotes. An apostrophe within a word is none.
fn unquoted(message: &str) -> String {
    let (mut out, mut rest) = (String::new(), message);
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let closing = QUOTES.iter().find(|(opening, _)| *opening == first).map(|(_, closing)| *closing);
        let begins = !out.ends_with(char::is_alphanumeric);
        out.push(first);
        rest = after;
        if let Some(closing) = closing.filter(|_| begins)
            && let Some(length) = quoted(after, closing)
        {
            out.push('…');
            out.push(closing);
            rest = &after[length + closing.len_utf8()..];
        }
    }
    out
}

/// The length of what stands before the closing quote.
fn quoted(text: &str, closing: char) -> Option<usize> {
    let closes = |(place, _): &(usize, &str)| {
        let after = &text[place + closing.len_utf8()..];
        !text[..*place].ends_with('\\') && !after.starts_with(char::is_alphanumeric)
    };
    text.match_indices(closing).find(closes).map(|(place, _)| place)
}

fn word(word: &str) -> String {
    let own = |c: char| "\"'`()[]{}<>,;:.!?".contains(c);
    let inner = word.trim_start_matches(own);
    let (before, inner) = (&word[..word.len() - inner.len()], inner.trim_end_matches(own));
    let after = &word[before.len() + inner.len()..];
    let name = if inner.contains("://") {
        Some("<url>")
    } else if is_path(inner) {
        Some("<path>")
    } else {
        None
    };
    match name {
        Some(name) => format!("{before}{name}{after}"),
        None => numbers(word),
    }
}

/// Two parts at least: `and/or` is none, `/etc` and `a/b/c` are.
fn is_path(word: &str) -> bool {
    (word.starts_with('/') && word.len() > 1) || word.matches('/').count() >= 2
}

fn numbers(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let begins = !out.ends_with(char::is_alphanumeric);
        let length = hexadecimal(rest).or_else(|| mixed(rest)).filter(|_| begins).or_else(|| decimal(rest));
        match length {
            Some(length) => {
                out.push('#');
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// The length of digits, and of further ones after a `.`, `,` or `:`.
fn decimal(text: &str) -> Option<usize> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut length = digits(text);
    if length == 0 {
        return None;
    }
    while let Some(rest) = text[length..].strip_prefix(['.', ',', ':']) {
        match digits(rest) {
            0 => break,
            more => length += 1 + more,
        }
    }
    Some(length)
}

fn hexadecimal(text: &str) -> Option<usize> {
    const LENGTH_MIN: usize = 8;
    let text = text.strip_prefix("0x").map_or(text, |_| text);
    let length = text.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(text.len());
    let goes_on = text[length..].starts_with(char::is_alphanumeric);
    let has_digit = text[..length].contains(|c: char| c.is_ascii_digit());
    (length >= LENGTH_MIN && has_digit && !goes_on).then_some(length)
}

/// Letters and digits that no person wrote.
fn mixed(text: &str) -> Option<usize> {
    const LENGTH_MIN: usize = 16;
    const DIGITS_MIN: usize = 4;
    let length = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let digits = text[..length].bytes().filter(u8::is_ascii_digit).count();
    let goes_on = text[length..].starts_with(char::is_alphanumeric);
    (length >= LENGTH_MIN && digits >= DIGITS_MIN && !goes_on).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_jobs_own_is_taken_out() {
        for (message, expected) in [
            ("exited with status 3", "exited with status #"),
            ("connect 10.0.0.1:8080: refused after 1.5s", "connect #: refused after #s"),
            ("cat: /data/in/17.txt: No such file", "cat: <path>: No such file"),
            ("no such file (data/in/x.txt)", "no such file (<path>)"),
            ("GET https://example.org/a?b=1: 503", "GET <url>: #"),
            ("GET \"https://example.org/a?b=1\": 503", "GET \"…\": #"),
            ("object 9f86d081884c7d65 is gone", "object # is gone"),
            ("request 0b5f1f3e-8a2c-4c55-9a3a-1d2f3a4b5c6d failed", "request # failed"),
            ("line 3, column 14: expected `}`", "line #, column #: expected `…`"),
            ("no field 'user name' in «a b», nor “c”", "no field '…' in «…», nor “…”"),
            ("can't open the dog's 'dinner', won't", "can't open the dog's '…', won't"),
            (r#"unexpected "a \"quoted\" b" here"#, r#"unexpected "…" here"#),
            ("an \"open end", "an \"open end"),
            ("\"\" is empty", "\"…\" is empty"),
            ("job 01ARZ3NDEKTSV4RRFFQ69G5FAV is gone", "job # is gone"),
            ("internationalization26x of batchmill2x", "internationalization#x of batchmill#x"),
            ("the facade and/or the deadbeef", "the facade and/or the deadbeef"),
            ("sha256 of item-17 differs", "sha# of item-# differs"),
            ("Größe: 7 µm", "Größe: # µm"),
            ("", ""),
        ] {
            assert_eq!(common(message), expected, "{message}");
        }
    }
}
