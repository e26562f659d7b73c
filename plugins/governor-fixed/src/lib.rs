//! The concurrency limit stays where it was set.
//!
//! **What it is.** A [`Governor`] that is never asked, so that nothing is measured for it.
//!
//! **When to use it.** By default, and wherever somebody knows how much is good.
//!
//! **What it deliberately does not do.** It looks at no load.
//!
//! ```
//! use batchmill_core::{Governor, LoadSample};
//! use batchmill_governor_fixed::Fixed;
//!
//! assert_eq!(Fixed.window(), None);
//! assert_eq!(Fixed.adjust(&LoadSample::default(), 10), None);
//! ```

mod options;

use std::time::Duration;

use batchmill_core::{Adjustment, Governor, LoadSample};
use batchmill_plugin::{Registry, TypedFactory};

pub use options::Options;

/// Makes `kind = "fixed"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Governor>(TypedFactory::new(
        "fixed",
        "the concurrency limit stays where it was set",
        |_: Options, _| Ok(Box::new(Fixed) as Box<dyn Governor>),
    ));
}

batchmill_plugin::export_plugin!(register, [governor]);

/// Leaves the limit where it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fixed;

impl Governor for Fixed {
    fn adjust(&mut self, _: &LoadSample, _: u32) -> Option<Adjustment> {
        None
    }

    fn window(&self) -> Option<Duration> {
        None
    }
}
