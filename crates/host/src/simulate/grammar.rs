//! What `--durations` and `--failures` may say.

use std::{fmt, str::FromStr, time::Duration};

use batchmill_core::{ErrorClass, parse_duration};

/// How long attempts take, as a person says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lengths {
    Cost(Duration),
    Fixed(Duration),
    Uniform(Duration, Duration),
    Exponential(Duration),
    LogNormal(Duration, f64),
    /// As in a batch that ran.
    From(String),
    /// An expression over the job.
    Jq(String),
}

const FORMS: &str = "write cost:1s, fixed:2s, uniform:1s..5s, exp:1s, lognormal:1s,0.5, from:BATCH or jq:EXPRESSION";

/// A deviation above this is no length of anything.
const SIGMA_MAX: f64 = 10.0;

impl FromStr for Lengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').ok_or_else(|| FORMS.to_owned())?;
        let duration = |text: &str| parse_duration(text).map_err(|error| error.to_string());
        match kind {
            "cost" => duration(rest).map(Self::Cost),
            "fixed" => duration(rest).map(Self::Fixed),
            "exp" => duration(rest).map(Self::Exponential),
            "uniform" => {
                let (from, upto) =
                    rest.split_once("..").ok_or("write uniform:FROM..UPTO, for example uniform:1s..5s")?;
                let (from, upto) = (duration(from)?, duration(upto)?);
                if from > upto {
                    Err(format!("{rest}: the first is the longer one"))
                } else {
                    Ok(Self::Uniform(from, upto))
                }
            }
            "lognormal" => {
                let form = "write lognormal:MEDIAN,SIGMA, for example lognormal:1s,0.5";
                let (median, sigma) = rest.split_once(',').ok_or(form)?;
                let sigma: f64 = sigma.trim().parse().map_err(|_| form)?;
                match (0.0..=SIGMA_MAX).contains(&sigma) {
                    true => Ok(Self::LogNormal(duration(median)?, sigma)),
                    false => Err(format!("a sigma must be 0 to {SIGMA_MAX}, found {sigma}")),
                }
            }
            "from" if !rest.is_empty() => Ok(Self::From(rest.to_owned())),
            "jq" if !rest.trim().is_empty() => Ok(Self::Jq(rest.to_owned())),
            _ => Err(FORMS.to_owned()),
        }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(length) => write!(f, "cost:{length:?}"),
            Self::Fixed(length) => write!(f, "fixed:{length:?}"),
            Self::Uniform(from, upto) => write!(f, "uniform:{from:?}..{upto:?}"),
            Self::Exponential(mean) => write!(f, "exp:{mean:?}"),
            Self::LogNormal(median, sigma) => write!(f, "lognormal:{median:?},{sigma}"),
            Self::From(batch) => write!(f, "from:{batch}"),
            Self::Jq(expression) => write!(f, "jq:{expression}"),
        }
    }
}

/// Which attempts fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Failures {
    pub(crate) rate: f64,
    pub(crate) class: ErrorClass,
}

impl FromStr for Failures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (part, class) = text.split_once(':').unwrap_or((text, "transient"));
        let percent: Option<f64> = part.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        let percent = percent.ok_or("write a part in percent, 0% to 100%, for example 5% or 2%:timeout")?;
        let class: ErrorClass = class.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { rate: percent / 100.0, class })
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%:{}", self.rate * 100.0, self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_told_as_it_is() {
        for text in
            ["cost:1s", "fixed:2s", "uniform:1s..5s", "exp:1.5s", "lognormal:1s,0.5", "from:last", "jq:.input.n + 1"]
        {
            assert_eq!(text.parse::<Lengths>().map(|lengths| lengths.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(
            "uniform:5m .. 6m".parse(),
            Ok(Lengths::Uniform(Duration::from_secs(300), Duration::from_secs(360)))
        );
    }

    #[test]
    fn what_is_no_length_is_refused_with_the_form() {
        for (text, why) in [
            ("1s", FORMS),
            ("gauss:1s", FORMS),
            ("from:", FORMS),
            ("fixed:1", "`1` is not a duration"),
            ("uniform:5s..1s", "the first is the longer one"),
            ("uniform:5s", "write uniform:FROM..UPTO"),
            ("lognormal:1s", "write lognormal:MEDIAN,SIGMA"),
            ("lognormal:1s,-1", "a sigma must be 0 to 10, found -1"),
            ("lognormal:1s,nan", "a sigma must be 0 to 10, found NaN"),
        ] {
            let refused = text.parse::<Lengths>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn failures_are_a_part_and_a_class() {
        assert_eq!("5%".parse(), Ok(Failures { rate: 0.05, class: ErrorClass::Transient }));
        assert_eq!("100%:timeout".parse::<Failures>().unwrap().to_string(), "100%:timeout");
        for bad in ["5", "-1%", "101%", "nan%", "%", "5%:sometimes"] {
            assert!(bad.parse::<Failures>().is_err(), "{bad}");
        }
    }
}
