//! From the text of an expression to what may be compiled, or to everything that is wrong with it.

use std::collections::BTreeSet;

use batchmill_core::nearest;
use jaq_core::load::{
    lex::{self, Lexer, StrPart, Tok, Token},
    parse::{self, BinaryOp, Parser, Pattern, Term},
};
use jaq_core::path::{Part, Path};

use crate::{
    calls,
    error::ExprError,
    library::{KNOWN, Needed, VARIABLES, is_inner, refusal, refused_variable},
    reads::{self, Reads},
};

/// The longest text of an expression, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// The most brackets inside each other.
///
/// This and the next two keep the stack of the thread that compiles and runs an expression far from its end: jaq recurses
/// over brackets, over words like `if` and `-`, and over the tree; up to 12 KiB a level in a debug build, 2 KiB otherwise.
const MAX_BRACKETS: usize = 32;
/// The most words that begin an expression inside another: `-`, `if`, `try`, `reduce`, `foreach`, `label`, `as`.
const MAX_PREFIXES: usize = 80;
/// The most levels of the tree: operators in a row, entries of an object, parts of a text.
const MAX_LEVELS: usize = 120;
/// The most tokens.
const MAX_TOKENS: usize = 2000;

/// What a text uses of its surroundings.
#[derive(Debug)]
pub(crate) struct Uses {
    /// What of its input.
    pub(crate) state: Reads,
    /// What of `$input`.
    pub(crate) input: Reads,
    /// Which of [`VARIABLES`] occur.
    pub(crate) variables: [bool; VARIABLES.len()],
}

/// Checks everything that can be known without compiling, and tells what to compile it with.
pub(crate) fn check(text: &str) -> Result<(Uses, Needed), Vec<ExprError>> {
    fits(text).map_err(|error| vec![error])?;
    let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let tokens = Lexer::new(text)
        .lex()
        .map_err(|errors| errors.into_iter().map(|error| lexed(&error, at(error.1))).collect::<Vec<_>>())?;
    let (count, prefixes) = count(&tokens);
    if count > MAX_TOKENS {
        let message = format!("an expression has at most {MAX_TOKENS} words and signs, this one has {count}");
        return Err(vec![ExprError::new(0, message)]);
    }
    if prefixes > MAX_PREFIXES {
        let message = format!("an expression has at most {MAX_PREFIXES} of `-`, `if`, `try` and the like");
        return Err(vec![ExprError::new(0, message)]);
    }
    let term = Parser::new(&tokens).parse(Parser::term).map_err(|errors| {
        let parsed = errors.into_iter().map(|(expected, found)| {
            let offset = found.map_or(text.len(), |token| at(token.as_str()));
            ExprError::new(offset, parsed(&expected, found.map(Token::as_str)))
        });
        parsed.collect::<Vec<_>>()
    })?;
    let (state, input) = reads::of(&term);
    let uses = Uses { state, input, variables: [false; VARIABLES.len()] };
    let mut walk = Walk { text, uses, errors: Vec::new() };
    let levels = walk.term(&term);
    if levels > MAX_LEVELS {
        let message =
            format!("an expression has at most {MAX_LEVELS} operators or entries in a row, this one has {levels}");
        walk.errors.push(ExprError::new(0, message));
    }
    if !walk.errors.is_empty() {
        return Err(walk.errors);
    }
    let mut names = BTreeSet::new();
    calls::collect(&term, &mut names);
    Ok((walk.uses, Needed::by(names)))
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

/// Tokens, and those among them that begin an expression inside another.
fn count(tokens: &[Token<&str>]) -> (usize, usize) {
    let (mut all, mut prefixes, mut operand_before) = (0, 0, false);
    let mut add = |(tokens, inner): (usize, usize)| {
        all += tokens;
        prefixes += inner;
    };
    for token in tokens {
        let word = token.as_str();
        let keyword = matches!(word, "if" | "try" | "reduce" | "foreach" | "label" | "as" | "def");
        add((1, usize::from(keyword || (word == "-" && !operand_before))));
        operand_before = match &token.1 {
            Tok::Block(inner) => {
                add(count(inner));
                true
            }
            Tok::Str(parts) => {
                parts.iter().for_each(|part| match part {
                    StrPart::Term(inner) => add(count(std::slice::from_ref(inner))),
                    _ => add((1, 0)),
                });
                true
            }
            Tok::Sym => word.starts_with('.'),
            _ => !keyword && !matches!(word, "then" | "else" | "elif" | "and" | "or" | "catch"),
        };
    }
    (all, prefixes)
}

fn lexed((expected, found): &lex::Error<&str>, offset: usize) -> ExprError {
    let found = found.chars().next();
    let message = match (expected, found) {
        (lex::Expect::Token, Some(found)) => format!("`{found}` does not belong here"),
        (lex::Expect::Delim(open), _) => format!("`{open}` is never closed"),
        (expected, Some(found)) => format!("expected {}, found `{found}`", expected.as_str()),
        (expected, None) => format!("expected {}, found the end", expected.as_str()),
    };
    ExprError::new(offset, message)
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

    fn all<'t>(&mut self, terms: impl IntoIterator<Item = &'t Term<&'a str>>) -> usize
    where
        'a: 't,
    {
        terms.into_iter().map(|term| self.term(term)).max().unwrap_or(0)
    }

    /// Looks at everything below and tells its levels.
    fn term(&mut self, term: &Term<&'a str>) -> usize {
        1 + match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) => 0,
            Term::Var(name) => {
                self.variable(name);
                0
            }
            Term::Call(name, arguments) => {
                if let Some(why) = refusal(name, arguments.len()) {
                    let shown = shown(name, arguments.len());
                    self.refuse(name, format!("`{shown}` is not available here: {why}"));
                } else if is_inner(name) {
                    self.refuse(name, unknown_function(name, arguments.len()));
                }
                self.all(arguments)
            }
            Term::Def(definitions, rest) => {
                for definition in definitions {
                    let message = "`def` is not available here: a definition may call itself without end";
                    self.refuse(definition.name, message.into());
                    self.term(&definition.body);
                }
                self.term(rest)
            }
            // Parts and entries are added to each other: each is a level.
            Term::Str(_, parts) => {
                let inner = parts.iter().map(|part| if let StrPart::Term(term) = part { self.term(term) } else { 0 });
                parts.len() + inner.max().unwrap_or(0)
            }
            Term::Obj(entries) => {
                let inner = entries.iter().map(|(key, value)| self.term(key).max(self.all(value)));
                entries.len() + inner.max().unwrap_or(0)
            }
            Term::Arr(inner) => self.all(inner.as_deref()),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner),
            Term::BinOp(left, operator, right) => {
                let left = self.term(left);
                let pattern = if let BinaryOp::Pipe(Some(pattern)) = operator { self.pattern(pattern) } else { 0 };
                left.max(pattern).max(self.term(right))
            }
            Term::Fold(_, over, pattern, arguments) => {
                self.term(over).max(self.pattern(pattern)).max(self.all(arguments))
            }
            Term::TryCatch(inner, catch) => self.term(inner).max(self.all(catch.as_deref())),
            Term::IfThenElse(arms, otherwise) => {
                let inner = arms.iter().map(|(when, then)| self.term(when).max(self.term(then)));
                arms.len() - 1 + inner.max().unwrap_or(0).max(self.all(otherwise.as_deref()))
            }
            Term::Path(of, path) => path.0.len() + self.term(of).max(self.path(path)),
        }
    }

    fn path(&mut self, path: &Path<Term<&'a str>>) -> usize {
        let inner = path.0.iter().map(|(part, _)| match part {
            Part::Index(index) => self.term(index),
            Part::Range(from, to) => self.all(from.iter().chain(to)),
        });
        inner.max().unwrap_or(0)
    }

    fn pattern(&mut self, pattern: &Pattern<&'a str>) -> usize {
        1 + match pattern {
            Pattern::Var(_) => 0,
            Pattern::Arr(items) => items.iter().map(|item| self.pattern(item)).max().unwrap_or(0),
            Pattern::Obj(entries) => {
                let inner = entries.iter().map(|(key, item)| self.term(key).max(self.pattern(item)));
                inner.max().unwrap_or(0)
            }
        }
    }

    fn variable(&mut self, name: &'a str) {
        if let Some(known) = VARIABLES.iter().position(|known| *known == name) {
            self.uses.variables[known] = true;
        } else if let Some(why) = refused_variable(name) {
            self.refuse(name, format!("`{name}` is not available here: {why}"));
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
pub(crate) fn undefined(name: &str, what: &jaq_core::compile::Undefined) -> String {
    use jaq_core::compile::Undefined;
    match what {
        Undefined::Filter(arity) => unknown_function(name, *arity),
        Undefined::Var => {
            let known = VARIABLES.join(", ");
            match nearest(name, VARIABLES) {
                Some(near) => format!("unknown variable `{name}`, did you mean `{near}`?"),
                None => format!("unknown variable `{name}`, known are {known}"),
            }
        }
        Undefined::Label => format!("unknown label `{name}`"),
        _ => format!("`{name}` is not available here: an expression loads nothing"),
    }
}

fn unknown_function(name: &str, arity: usize) -> String {
    let arities: BTreeSet<usize> = KNOWN.iter().filter(|(known, _)| *known == name).map(|(_, arity)| *arity).collect();
    if !arities.is_empty() {
        let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
        return format!("`{name}` takes {} arguments, not {arity}", arities.join(" or "))
            .replace("takes 1 arguments", "takes 1 argument");
    }
    match nearest(name, KNOWN.iter().map(|(known, _)| *known)) {
        Some(near) => format!("unknown function `{name}`, did you mean `{near}`?"),
        None => format!("unknown function `{name}`"),
    }
}
