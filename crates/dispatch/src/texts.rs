//! Texts that many jobs have in common, kept once: names of nodes, and messages of errors.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The name of a node as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(u32);

impl Name {
    /// No node: the attempt as a whole.
    pub(crate) const NONE: Self = Self(0);
}

/// The names of the nodes of a batch that failed: as many as its flows have.
#[derive(Debug, Default)]
pub(crate) struct Names {
    list: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Name>,
}

impl Names {
    pub(crate) fn of(&mut self, name: Option<&Arc<str>>) -> Name {
        let Some(name) = name else { return Name::NONE };
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        self.list.push(name.clone());
        let number = Name(u32::try_from(self.list.len()).expect("fewer than 2^32 nodes"));
        self.numbers.insert(name.clone(), number);
        number
    }

    pub(crate) fn name(&self, Name(number): Name) -> Option<Arc<str>> {
        self.list.get((number as usize).checked_sub(1)?).cloned()
    }
}

/// So many messages are known at a time.
const MESSAGES_MAX: usize = 1024;
/// A longer one is hardly another one's too.
const SHARED_BYTES_MAX: usize = 256;

/// Messages that were heard lately. When what jobs talk to is down they fail with one message, or a few.
///
/// It holds a quarter of a MiB at most: it forgets all when it is full, and what was handed out stays what it is.
#[derive(Debug, Default)]
pub(crate) struct Messages(HashSet<Arc<str>>);

impl Messages {
    /// A message, shared where it is known.
    pub(crate) fn of(&mut self, text: &str) -> Arc<str> {
        match self.0.get(text) {
            Some(known) => known.clone(),
            None => self.learn(text.into()),
        }
    }

    /// The same, of one that is there already.
    pub(crate) fn share(&mut self, text: Arc<str>) -> Arc<str> {
        match self.0.get(&text) {
            Some(known) => known.clone(),
            None => self.learn(text),
        }
    }

    fn learn(&mut self, text: Arc<str>) -> Arc<str> {
        if text.len() > SHARED_BYTES_MAX {
            return text;
        }
        if self.0.len() == MESSAGES_MAX {
            self.0.clear();
        }
        self.0.insert(text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_and_comes_back() {
        let (mut names, a, b) = (Names::default(), Arc::<str>::from("a"), Arc::<str>::from("b"));
        let numbers = [Some(&a), None, Some(&b), Some(&Arc::from("a"))].map(|name| names.of(name));
        assert_eq!((numbers[0], numbers[1]), (numbers[3], Name::NONE));
        assert_eq!(numbers.map(|number| names.name(number)), [Some(a.clone()), None, Some(b), Some(a)]);
    }

    #[test]
    fn a_message_that_is_heard_again_is_the_same() {
        let mut messages = Messages::default();
        let first = messages.of("HTTP 503");
        assert!(
            Arc::ptr_eq(&first, &messages.of("HTTP 503")) && Arc::ptr_eq(&first, &messages.share("HTTP 503".into()))
        );
        let long = "x".repeat(SHARED_BYTES_MAX + 1);
        assert!(!Arc::ptr_eq(&messages.of(&long), &messages.of(&long)));
        for number in 0..10_000 {
            assert_eq!(&*messages.of(&number.to_string()), number.to_string());
            assert!(messages.0.len() <= MESSAGES_MAX);
        }
        assert_eq!(&*first, "HTTP 503");
    }
}
