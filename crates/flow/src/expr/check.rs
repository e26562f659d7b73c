//! From the text of an expression to what may be compiled, or to everything that is wrong with it.

use std::collections::BTreeSet;

use batchmill_core::nearest;
use jaq_core::load::{
    lex::{self, Lexer, StrPart, Tok, Token},
    parse::{self, BinaryOp, Parser, Pattern, Term},
};
use jaq_core::path::{Part, Path};

use super::{
    error::ExprError,
    library::{KNOWN, VARIABLES, refusal, refused_variable},
};

/// The longest text of an expression, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// The most brackets inside each other.
const MAX_BRACKETS: usize = 48;
/// The most tokens. Every token may be one level of the thread's stack when the expression is compiled and run.
const MAX_TOKENS: usize = 1500;

/// What a text uses of its surroundings.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Which of [`VARIABLES`] occur.
    pub(super) variables: [bool; VARIABLES.len()],
}

/// Checks everything that can be known without compiling.
pub(super) fn check(text: &str) -> Result<Uses, Vec<ExprError>> {
    fits(text).map_err(|error| vec![error])?;
    let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let tokens = Lexer::new(text)
        .lex()
        .map_err(|errors| errors.into_iter().map(|error| lexed(&error, at(error.1))).collect::<Vec<_>>())?;
    let count = count(&tokens);
    if count > MAX_TOKENS {
        return Err(vec![ExprError::new(
            0,
            format!("an expression has at most {MAX_TOKENS} tokens, this one has {count}"),
        )]);
    }
    let term = Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let parsed = errors.into_iter().map(|(expected, found)| {
            let offset = found.map_or(text.len(), |token| at(token.as_str()));
            ExprError::new(offset, parsed(&expected, found.map(Token::as_str)))
        });
        parsed.collect::<Vec<_>>()
    })?;
    let mut walk = Walk { text, uses: Uses::default(), errors: Vec::new() };
    walk.term(&term);
    if walk.errors.is_empty() { Ok(walk.uses) } else { Err(walk.errors) }
}

/// Bounds the length and the brackets: jaq's lexer takes a level of the stack for each.
fn fits(text: &str) -> Result<(), ExprError> {
    if text.len() > MAX_TEXT {
        let message = format!("an expression has at most {MAX_TEXT} bytes, this one has {}", text.len());
        return Err(ExprError::new(MAX_TEXT, message));
    }
    let mut depth = 0usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            // Brackets in strings count too: strings hold expressions in `\( )`.
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(ExprError::new(offset, format!("an expression nests at most {MAX_BRACKETS} brackets")));
        }
    }
    Ok(())
}

fn count(tokens: &[Token<&str>]) -> usize {
    tokens
        .iter()
        .map(|token| match &token.1 {
            Tok::Block(inner) => 1 + count(inner),
            Tok::Str(parts) => {
                let inner = parts.iter().map(|part| match part {
                    StrPart::Term(token) => 1 + count(std::slice::from_ref(token)),
                    _ => 1,
                });
                1 + inner.sum::<usize>()
            }
            _ => 1,
        })
        .sum()
}

fn lexed((expected, found): &lex::Error<&str>, _offset: usize) -> ExprError {
    let found = found.chars().next();
    let message = match (expected, found) {
        (lex::Expect::Token, Some(found)) => format!("`{found}` does not belong here"),
        (lex::Expect::Delim(open), _) => format!("`{open}` is never closed"),
        (expected, Some(found)) => format!("expected {}, found `{found}`", expected.as_str()),
        (expected, None) => format!("expected {}, found the end", expected.as_str()),
    };
    ExprError::new(_offset, message)
}

fn parsed(expected: &parse::Expect<&str>, found: Option<&str>) -> String {
    let wanted = match expected {
        parse::Expect::Just(text) => format!("`{text}`"),
        parse::Expect::Term => "an expression".to_owned(),
        parse::Expect::Nothing => "an operator or the end".to_owned(),
        other => other.as_str().to_owned(),
    };
    match found.map(|found| found.chars().take(20).collect::<String>()) {
        Some(found) => format!("expected {wanted}, found `{found}`"),
        None => format!("expected {wanted}, found the end"),
    }
}

struct Walk<'a> {
    text: &'a str,
    uses: Uses,
    errors: Vec<ExprError>,
}

impl<'a> Walk<'a> {
    fn refuse(&mut self, part: &'a str, message: String) {
        self.errors.push(ExprError::new(part.as_ptr() as usize - self.text.as_ptr() as usize, message));
    }

    fn all<'t>(&mut self, terms: impl IntoIterator<Item = &'t Term<&'a str>>)
    where
        'a: 't,
    {
        terms.into_iter().for_each(|term| self.term(term));
    }

    fn term(&mut self, term: &Term<&'a str>) {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) => {}
            Term::Var(name) => self.variable(name),
            Term::Call(name, arguments) => {
                if let Some(why) = refusal(name, arguments.len()) {
                    let shown = shown(name, arguments.len());
                    self.refuse(name, format!("`{shown}` is not available in flows: {why}"));
                }
                self.all(arguments);
            }
            Term::Def(definitions, rest) => {
                for definition in definitions {
                    self.refuse(
                        definition.name,
                        "`def` is not available in flows: a definition may call itself without end".into(),
                    );
                    self.term(&definition.body);
                }
                self.term(rest);
            }
            Term::Str(_, parts) => parts.iter().for_each(|part| {
                if let StrPart::Term(term) = part {
                    self.term(term);
                }
            }),
            Term::Arr(inner) => self.all(inner.as_deref()),
            Term::Obj(entries) => entries.iter().for_each(|(key, value)| {
                self.term(key);
                self.all(value);
            }),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner),
            Term::BinOp(left, operator, right) => {
                self.term(left);
                if let BinaryOp::Pipe(Some(pattern)) = operator {
                    self.pattern(pattern);
                }
                self.term(right);
            }
            Term::Fold(_, over, pattern, arguments) => {
                self.term(over);
                self.pattern(pattern);
                self.all(arguments);
            }
            Term::TryCatch(inner, catch) => {
                self.term(inner);
                self.all(catch.as_deref());
            }
            Term::IfThenElse(arms, otherwise) => {
                arms.iter().for_each(|(when, then)| {
                    self.term(when);
                    self.term(then);
                });
                self.all(otherwise.as_deref());
            }
            Term::Path(of, path) => {
                self.term(of);
                self.path(path);
            }
        }
    }

    fn path(&mut self, path: &Path<Term<&'a str>>) {
        for (part, _) in &path.0 {
            match part {
                Part::Index(index) => self.term(index),
                Part::Range(from, to) => self.all(from.iter().chain(to)),
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern<&'a str>) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => items.iter().for_each(|item| self.pattern(item)),
            Pattern::Obj(entries) => entries.iter().for_each(|(key, item)| {
                self.term(key);
                self.pattern(item);
            }),
        }
    }

    fn variable(&mut self, name: &'a str) {
        if let Some(known) = VARIABLES.iter().position(|known| *known == name) {
            self.uses.variables[known] = true;
        } else if let Some(why) = refused_variable(name) {
            self.refuse(name, format!("`{name}` is not available in flows: {why}"));
        }
    }
}

fn shown(name: &str, arity: usize) -> String {
    match arity {
        0 => name.to_owned(),
        _ => format!("{name}({})", vec!["…"; arity].join("; ")),
    }
}

/// Why nothing of this name is defined.
pub(super) fn undefined(name: &str, what: &jaq_core::compile::Undefined) -> String {
    use jaq_core::compile::Undefined;
    match what {
        Undefined::Filter(arity) => unknown_function(name, *arity),
        Undefined::Var => {
            let known = VARIABLES.join(", ");
            match nearest(name, VARIABLES) {
                Some(near) => format!("unknown variable `{name}`, did you mean `{near}`?"),
                None => format!("unknown variable `{name}`; a flow gives {known}"),
            }
        }
        Undefined::Label => format!("unknown label `{name}`"),
        _ => format!("`{name}` is not available in flows: an expression loads nothing"),
    }
}

fn unknown_function(name: &str, arity: usize) -> String {
    let arities: BTreeSet<usize> = KNOWN.iter().filter(|(known, _)| *known == name).map(|(_, arity)| *arity).collect();
    if !arities.is_empty() {
        let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
        return format!("`{name}` takes {} arguments, not {arity}", arities.join(" or "));
    }
    match nearest(name, KNOWN.iter().map(|(known, _)| *known)) {
        Some(near) => format!("unknown function `{name}`, did you mean `{near}`?"),
        None => format!("unknown function `{name}`"),
    }
}
