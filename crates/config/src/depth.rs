//! A bound on nesting, checked before a text is parsed.
//!
//! The parser bounds brackets, but not the parts of a dotted key; each part is a table in a table, and taking a hundred
//! thousand of them apart again overflows the stack, which ends the process. So the text is looked at first.

/// The deepest that tables and lists may be nested: more than any plugin has options for.
pub(crate) const DEPTH_MAX: usize = 64;

/// What is said of a text that is nested deeper.
pub(crate) const TOO_DEEP: &str = "tables and lists are nested more than 64 levels deep here";

/// The byte at which nesting becomes too deep, if it does.
pub(crate) fn too_deep(text: &str) -> Option<usize> {
    // Dots since the last item began, for every open bracket and for the text itself.
    let mut dots = vec![0_usize];
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            b'"' | b'\'' => {
                at += string_length(&text[at..]);
                continue;
            }
            b'[' | b'{' => dots.push(0),
            // A bracket too many is the parser's to report.
            b']' | b'}' if dots.len() > 1 => drop(dots.pop()),
            b'\n' | b',' => dots.last_mut().into_iter().for_each(|last| *last = 0),
            b'.' => dots.last_mut().into_iter().for_each(|last| *last += 1),
            _ => {}
        }
        if dots.len() + dots.iter().sum::<usize>() > DEPTH_MAX {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The bytes of the string that `text` starts with, quotes included; to its end, or that of the line, if it is not closed.
fn string_length(text: &str) -> usize {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let multi_line = text.starts_with(&triple);
    let close = if multi_line { triple.as_str() } else { quote };
    let mut at = close.len();
    while at < text.len() {
        match text.as_bytes()[at] {
            _ if text.as_bytes()[at..].starts_with(close.as_bytes()) => return at + close.len(),
            b'\\' if quote == "\"" => at += 2,
            b'\n' if !multi_line => return at,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_brackets_count_together() {
        let dots = |count: usize| format!("{}a = 1", "a.".repeat(count));
        assert_eq!(too_deep(&dots(DEPTH_MAX - 1)), None);
        assert!(too_deep(&dots(DEPTH_MAX)).is_some());
        assert!(too_deep(&format!("a = {}", "{ a.a = ".repeat(DEPTH_MAX / 2))).is_some());
        assert!(too_deep(&"[".repeat(DEPTH_MAX)).is_some());
    }

    #[test]
    fn what_stands_beside_each_other_is_not_deep() {
        let many = "a.b.c = [1.5, 2.5, { d.e = 1 }]\n[f.g]\nh = {}\n".repeat(1000);
        assert_eq!(too_deep(&many), None);
        assert_eq!(too_deep(&format!("a = [{}]", "[1.0], ".repeat(1000))), None);
    }

    #[test]
    fn text_and_comments_are_not_looked_into() {
        let dots = ".[{".repeat(100);
        for text in [
            format!("# {dots}\na = 1"),
            format!("a = \"{dots}\\\"{dots}\" # {dots}"),
            format!("a = '{dots}\\'\nb = 1"),
            format!("a = \"\"\"{dots}\n\"\"{dots}\"\"\"\nb = '''\n'{dots}'''"),
            format!("a = \"ü{dots}"),
            "a = \"\\".to_owned(),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }
}
