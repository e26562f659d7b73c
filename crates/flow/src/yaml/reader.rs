//! From text to located values.

use std::{collections::HashMap, fmt};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::{
    Located, LocatedKey, LocatedValue, Place,
    origin::{Origin, Quotes},
    scalar,
};

/// The longest file, in bytes.
const MAX_BYTES: usize = 8 << 20;
/// The most lists and maps inside each other.
const MAX_DEPTH: usize = 100;
/// The most values, with what aliases repeat.
const MAX_VALUES: usize = 200_000;

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct YamlProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// One sentence: what is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for YamlProblem {
    /// `line:column: message`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Reads one YAML document: at most 8 MiB, 100 levels, 200,000 values (aliases counted as often as they are used).
///
/// Duplicate keys, tags and the like are reported all at once; the first mistake in the syntax ends the reading. An
/// empty file is null.
pub fn parse(text: &str) -> Result<Located, Vec<YamlProblem>> {
    if text.len() > MAX_BYTES {
        let message = format!("a file has at most {MAX_BYTES} bytes, this one has {}", text.len());
        return Err(vec![problem(Place::START, message)]);
    }
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
        block_scalar_eof_without_line_feed: true,
    };
    let mut reader = Reader {
        text,
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        values: 0,
        problems: Vec::new(),
    };
    match reader.document() {
        Ok(root) if reader.problems.is_empty() => Ok(root),
        Ok(_) => Err(reader.problems),
        Err(Stop(last)) => {
            reader.problems.push(last);
            Err(reader.problems)
        }
    }
}

/// Ends the reading.
struct Stop(YamlProblem);

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, granit_parser::StrInput<'a>>,
    /// Finished values by anchor, with the number of values in each.
    anchors: HashMap<usize, (Located, usize)>,
    values: usize,
    problems: Vec<YamlProblem>,
}

fn problem(place: Place, message: impl Into<String>) -> YamlProblem {
    YamlProblem { line: place.line, column: place.column, message: message.into() }
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Stop(problem(place(error.marker()), describe(&error)))),
            None => Err(Stop(problem(Place::START, "the file ends too early"))),
        }
    }

    fn document(&mut self) -> Result<Located, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "a second document begins here; a file has one";
                    return Err(Stop(problem(place(&span.start), message)));
                }
                event if event.is_node() => root = Some(self.value(event, span, 0)?),
                _ => {}
            }
        }
        Ok(root.unwrap_or_else(|| located(Place::START, LocatedValue::Null)))
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Located, Stop> {
        let start = place(&span.start);
        if depth > MAX_DEPTH {
            return Err(Stop(problem(start, format!("lists and maps nest at most {MAX_DEPTH} deep"))));
        }
        self.count(1, start)?;
        if let Some(tag) = event.tag() {
            let at = span.tag_start().map_or(start, |marker| place(&marker));
            self.problems.push(problem(at, format!("`{}`: tags are not available; leave it out", tag.original())));
        }
        let anchor = event.anchor_id().filter(|id| *id > 0);
        let before = self.values;
        let value = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, &span),
            Event::SequenceStart(..) => self.list(start, depth)?,
            Event::MappingStart(..) => self.map(start, depth)?,
            Event::Alias(id) => return self.alias(id, start),
            Event::UnresolvedAlias(name) => {
                self.problems.push(problem(start, format!("`*{name}` has no anchor `&{name}` before it")));
                located(start, LocatedValue::Null)
            }
            _ => return Err(Stop(problem(start, "expected a value"))),
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, (value.clone(), 1 + self.values - before));
        }
        Ok(value)
    }

    fn count(&mut self, values: usize, at: Place) -> Result<(), Stop> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(Stop(problem(at, format!("a file has at most {MAX_VALUES} values, aliases repeated"))));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Place) -> Result<Located, Stop> {
        let Some((_, values)) = self.anchors.get(&id) else {
            return Err(Stop(problem(at, "an alias stands inside the value that it repeats")));
        };
        self.count(*values, at)?;
        Ok(self.anchors[&id].0.clone())
    }

    fn list(&mut self, start: Place, depth: usize) -> Result<Located, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(located(start, LocatedValue::Seq(items))),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Place, depth: usize) -> Result<Located, Stop> {
        let mut entries: Vec<(LocatedKey, Located)> = Vec::new();
        let mut places: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(located(start, LocatedValue::Map(entries)));
            }
            let at = place(&span.start);
            let name = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            let Some(name) = name else { continue };
            if let Some(first) = places.get(&name) {
                let message = format!("the key `{name}` occurs twice, first at {first}");
                self.problems.push(problem(at, message));
                continue;
            }
            places.insert(name.clone(), at);
            entries.push((LocatedKey { line: at.line, column: at.column, name }, value));
        }
    }

    /// A key's text; `None` where it has none, which is reported.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Option<String>, Stop> {
        let at = place(&span.start);
        if let Event::Scalar(text, _, _, None) = &event {
            self.count(1, at)?;
            let text = text.to_string();
            if event.anchor_id().filter(|id| *id > 0).is_some() {
                // Kept, so that an alias to it finds its value.
                self.value(event, span, depth + 1)?;
            }
            return Ok(Some(text));
        }
        let key = self.value(event, span, depth + 1)?;
        if let LocatedValue::Str(text) = key.value {
            return Ok(Some(text));
        }
        self.problems.push(problem(at, format!("a key must be text, this one is {}", key.what())));
        Ok(None)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: &Span) -> Located {
        let start = place(&span.start);
        let raw = span.slice(self.text).unwrap_or_default();
        let quotes = match style {
            ScalarStyle::SingleQuoted => Quotes::Single,
            ScalarStyle::DoubleQuoted => Quotes::Double,
            // The span of a block begins at its first visible character, not at its header.
            _ => Quotes::None,
        };
        let origin = Origin { raw: raw.into(), quotes };
        if style != ScalarStyle::Plain {
            return Located { origin: Some(origin), ..located(start, LocatedValue::Str(text.to_owned())) };
        }
        let value = scalar::plain(text).unwrap_or_else(|message| {
            self.problems.push(problem(start, message));
            LocatedValue::Null
        });
        let origin = matches!(value, LocatedValue::Str(_)).then_some(origin);
        Located { origin, ..located(start, value) }
    }
}

fn located(at: Place, value: LocatedValue) -> Located {
    Located { line: at.line, column: at.column, value, origin: None }
}

fn describe(error: &granit_parser::ScanError) -> String {
    error.kind().to_string()
}
