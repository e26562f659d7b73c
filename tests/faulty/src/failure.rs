//! Never stops.

use batchmill_core::{Directive, FailureStrategy, FinalResult};

use crate::{Method, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty(Trouble);

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self(Trouble::new(options, Method::OnResult))
    }
}

impl FailureStrategy for Faulty {
    fn on_result(&mut self, _: &FinalResult, _: u64) -> Directive {
        self.0.call(Method::OnResult);
        Directive::Continue
    }
}
