//! What a pattern means: `*`, `?`, `[a-z]`, `[!a-z]`, `**` as a part of its own, and `\` before a character that means itself.

/// A pattern, cut at its slashes.
#[derive(Debug)]
pub(super) struct Pattern {
    root: String,
    pub(super) parts: Vec<Part>,
}

/// What stands between two slashes.
#[derive(Debug)]
pub(super) struct Part {
    /// The name itself, where the part has nothing to match.
    pub(super) literal: Option<String>,
    /// The slashes behind it, as they were written.
    pub(super) separator: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    Any,
    /// `*`
    Many,
    /// `**`: any number of folders.
    AnyDepth,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("the pattern is empty; write for example glob:data/*.csv".to_owned());
        }
        let relative = pattern.trim_start_matches('/');
        let (root, mut rest) = (pattern[..pattern.len() - relative.len()].to_owned(), relative);
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let end = rest.find('/').unwrap_or(rest.len());
            let behind = rest[end..].trim_start_matches('/');
            let separator = &rest[end..rest.len() - behind.len()];
            let part = Part::parse(&rest[..end], separator)?;
            // Twice any depth is any depth, but takes the square of the time.
            if !(part.is_any_depth() && parts.last().is_some_and(Part::is_any_depth)) {
                parts.push(part);
            }
            rest = behind;
        }
        if parts.last().is_some_and(Part::is_any_depth) {
            // As in a shell, `a/**` is everything below `a`.
            parts.push(Part { literal: None, separator: String::new(), tokens: vec![Token::Many] });
        }
        Ok(Self { root, parts })
    }

    /// What the paths begin with: nothing, or the slashes of an absolute pattern.
    pub(super) fn root(&self) -> String {
        self.root.clone()
    }
}

impl Part {
    fn parse(text: &str, separator: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let literal = tokens.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect();
        // `**` at the end of a pattern looks at names below folders, so they need a slash.
        let separator = if tokens == [Token::AnyDepth] && separator.is_empty() { "/" } else { separator };
        Ok(Self { literal, separator: separator.to_owned(), tokens })
    }

    pub(super) fn is_any_depth(&self) -> bool {
        self.tokens == [Token::AnyDepth]
    }

    /// Whether something follows, so that only a folder will do.
    pub(super) fn is_folder(&self) -> bool {
        !self.separator.is_empty()
    }

    /// Whether a name matches. As in a shell, a dot at the beginning must be written.
    pub(super) fn matches(&self, name: &str) -> bool {
        let is_hidden = name.starts_with('.') && self.tokens.first() != Some(&Token::Char('.'));
        let name: Vec<char> = name.chars().collect();
        !is_hidden && (self.is_any_depth() || matches(&self.tokens, &name))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text == "**" {
        return Ok(vec![Token::AnyDepth]);
    }
    let mut tokens = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '?' => Token::Any,
            '*' => Token::Many,
            '[' => {
                let (class, behind) = class(characters.as_str())
                    .ok_or_else(|| format!("`{text}`: the `[` is never closed; write `\\[` for the character"))?;
                characters = behind.chars();
                class
            }
            '\\' => Token::Char(characters.next().ok_or_else(|| format!("`{text}`: nothing stands behind the `\\`"))?),
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

/// A class, without its opening bracket, and what stands behind it.
fn class(text: &str) -> Option<(Token, &str)> {
    let inner = text.strip_prefix(['!', '^']);
    let negated = inner.is_some();
    let inner = inner.unwrap_or(text);
    // A bracket right at the beginning means itself.
    let end = inner.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at)?;
    let members: Vec<char> = inner[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut rest = members.as_slice();
    while let [first, more @ ..] = rest {
        if let ['-', last, behind @ ..] = more {
            ranges.push((*first, *last));
            rest = behind;
        } else {
            ranges.push((*first, *first));
            rest = more;
        }
    }
    Some((Token::Class { negated, ranges }, &inner[end + 1..]))
}

/// Goes back to the last `*` only: that is enough, and never exponential.
fn matches(tokens: &[Token], name: &[char]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                retry = Some((token, at));
                token += 1;
            }
            Some(one) if one.takes(name[at]) => (token, at) = (token + 1, at + 1),
            _ => match &mut retry {
                Some((many, from)) => {
                    *from += 1;
                    (token, at) = (*many + 1, *from);
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Char(own) => *own == character,
            Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *negated
            }
            Self::Many | Self::AnyDepth => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, name: &str) -> bool {
        Part::parse(pattern, "").unwrap().matches(name)
    }

    #[test]
    fn parts_match_as_in_a_shell() {
        for (pattern, yes, no) in [
            ("*.txt", vec!["a.txt", "é.b.txt"], vec![".txt", ".a.txt", "a.txt.gz"]),
            ("a?c", vec!["abc", "aéc"], vec!["ac", "abbc"]),
            ("*a*b*", vec!["ab", "xaxbx", "aabb"], vec!["ba", "a", "b"]),
            ("[a-c]x", vec!["ax", "cx"], vec!["dx", "x", "-x"]),
            ("[!a-c]x", vec!["dx"], vec!["ax", ".x"]),
            ("[]x-]", vec!["]", "-", "x"], vec!["a"]),
            (r"\*\[", vec!["*["], vec!["a["]),
            (".*", vec![".a"], vec!["a"]),
            ("a**b", vec!["ab", "a1b"], vec!["a"]),
            ("**", vec!["a"], vec![".a"]),
        ] {
            yes.iter().for_each(|name| assert!(is_match(pattern, name), "{pattern} {name}"));
            no.iter().for_each(|name| assert!(!is_match(pattern, name), "{pattern} {name}"));
        }
        assert!(!is_match(&"*a".repeat(60), &"a".repeat(59)), "and it ends");
    }

    #[test]
    fn a_pattern_that_is_none_says_why() {
        assert!(Pattern::parse("").unwrap_err().contains("empty"));
        assert!(Pattern::parse("a/[b").unwrap_err().contains("never closed"));
        assert!(Pattern::parse("a\\").unwrap_err().contains("nothing stands behind"));
    }
}
