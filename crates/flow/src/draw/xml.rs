//! Text in pictures.

/// A text as XML has it, between tags. What XML can not hold is shown as what it is not.
pub fn xml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_of_xml_whatever_it_holds() {
        assert_eq!(xml_text("<a> & \"b\""), "&lt;a&gt; &amp; \"b\"");
        assert_eq!(xml_text("a\u{1}b\u{7f}c\u{ffff}d\ne"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(xml_text("größe 大"), "größe 大");
    }
}
