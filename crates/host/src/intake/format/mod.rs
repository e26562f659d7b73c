//! The formats that jobs come in, each as [`Records`](super::record::Records).

mod csv;
mod files;
mod json_array;
mod json_lines;
mod plain_lines;

pub(crate) use csv::{Columns, csv};
pub(crate) use files::Files;
pub(crate) use json_array::json_array;
pub(crate) use json_lines::JobLines;
pub(crate) use plain_lines::PlainLines;

#[cfg(test)]
mod tests;
