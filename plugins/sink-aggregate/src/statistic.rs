//! What can be asked of a group of results.

use std::{fmt, str::FromStr};

use batchmill_core::nearest;

/// A number about a group of results.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statistic {
    /// Results.
    Count,
    /// Results that have a value.
    Values,
    Sum,
    Mean,
    Min,
    Max,
    Percentile {
        /// As it was written.
        name: String,
        percent: f64,
    },
}

const NAMES: [&str; 8] = ["count", "values", "sum", "mean", "min", "max", "p50", "p99"];

impl Statistic {
    pub(crate) fn is_percentile(&self) -> bool {
        matches!(self, Self::Percentile { .. })
    }
}

impl FromStr for Statistic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "count" => Self::Count,
            "values" => Self::Values,
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            _ => {
                let number = text.strip_prefix('p').filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
                match number.and_then(|number| number.parse().ok()) {
                    Some(percent) if percent > 0.0 && percent <= 100.0 => {
                        Self::Percentile { name: text.to_owned(), percent }
                    }
                    Some(_) => return Err(format!("`{text}`: a percentile is above 0 and at most 100")),
                    None => {
                        let mend = nearest(text, NAMES).map(|near| format!(", did you mean `{near}`?"));
                        let known = || {
                            ", known are: count, values, sum, mean, min, max, and percentiles such as p99".to_owned()
                        };
                        return Err(format!("unknown statistic `{text}`{}", mend.unwrap_or_else(known)));
                    }
                }
            }
        })
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Values => "values",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Percentile { name, .. } => name,
        })
    }
}
