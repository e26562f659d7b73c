//! Leaves the limit.

use batchmill_core::{Adjustment, Governor, LoadSample};

use crate::{Fault, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty(Trouble);

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self(Trouble::new(options))
    }
}

impl Governor for Faulty {
    fn adjust(&mut self, _: &LoadSample, _: u32) -> Option<Adjustment> {
        match self.0.call() {
            Fault::Absurd => Some(Adjustment::new(0, "absurd")),
            _ => None,
        }
    }
}
