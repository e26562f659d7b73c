//! Runs what dispatch decides on tokio.

mod source;

pub use source::JobSource;
