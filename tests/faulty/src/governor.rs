//! Leaves the limit.

use std::{ops::RangeInclusive, time::Duration};

use batchmill_core::{Adjustment, Governor, LoadSample};

use crate::{Fault, Method, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty(Trouble);

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self(Trouble::new(options, Method::Adjust))
    }
}

impl Governor for Faulty {
    fn adjust(&mut self, _: &LoadSample, _: u32) -> Option<Adjustment> {
        match self.0.call(Method::Adjust) {
            Fault::Absurd => Some(Adjustment::new(0, "absurd")),
            _ => None,
        }
    }

    fn window(&self) -> Option<Duration> {
        self.0.call(Method::Window);
        Some(Duration::from_millis(100))
    }

    fn range(&self) -> RangeInclusive<u32> {
        self.0.call(Method::Range);
        1..=1000
    }
}
