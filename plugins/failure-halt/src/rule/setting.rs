//! What lines and tables are taken apart into.

use super::error::Place;

/// The keys of a rule, beside `when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Fail,
    Success,
    Done,
    FailRate,
    Of,
    MinSample,
    Window,
    Classes,
}

impl Key {
    /// All of them, in the order in which a rule is written.
    pub(super) const ALL: [Self; 8] =
        [Self::Fail, Self::Success, Self::Done, Self::FailRate, Self::Of, Self::MinSample, Self::Window, Self::Classes];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Success => "success",
            Self::Done => "done",
            Self::FailRate => "fail_rate",
            Self::Of => "of",
            Self::MinSample => "min_sample",
            Self::Window => "window",
            Self::Classes => "classes",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Whether it says what is counted.
    pub(super) const fn is_condition(self) -> bool {
        matches!(self, Self::Fail | Self::Success | Self::Done | Self::FailRate)
    }
}

/// One key with its value, as text: lines have nothing else, and what a table has is shown as such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: Key,
    /// Where the key is.
    pub(super) at: Place,
    /// The value with its place; several only for a list.
    pub(super) values: Vec<(String, Place)>,
}

impl Setting {
    /// Where its value is.
    pub(super) fn value_at(&self) -> Place {
        self.values.first().map_or_else(|| self.at.clone(), |(_, place)| place.clone())
    }

    /// Its value as a line has it.
    pub(super) fn text(&self) -> String {
        self.values.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("+")
    }
}
