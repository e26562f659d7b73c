//! Flags that every command has.

use std::env;

use clap::{ArgAction, Args, ValueEnum, builder::FalseyValueParser};

use crate::{
    paint::Paint,
    screen::{self, Screen},
};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Global {
    /// Colours and styles
    #[arg(long, global = true, value_name = "WHEN", env = "BATCHMILL_COLOR", hide_env = true, default_value = "auto")]
    pub(crate) color: Color,

    /// Log more: -v what happens, -vv details, -vvv everything
    #[arg(short, long, global = true, env = "BATCHMILL_VERBOSE", hide_env = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Log errors only, and show no progress unless --progress asks for it
    #[arg(short, long, global = true, env = "BATCHMILL_QUIET", hide_env = true, conflicts_with = "verbose", value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,

    /// How log lines on stderr are written
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "BATCHMILL_LOG_FORMAT",
        hide_env = true,
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,
}

impl Global {
    /// Stderr as the flags want it.
    pub(crate) fn screen(&self) -> Screen {
        Screen::new(Paint { colour: self.color.on_stderr() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` are heeded
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to colour what goes to stderr.
    fn on_stderr(self) -> bool {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        self.decide(set("NO_COLOR"), set("CLICOLOR_FORCE"), screen::is_drawn_on())
    }

    fn decide(self, no_color: bool, force: bool, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !no_color && (force || terminal),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_asked_for_refused_or_left_to_the_terminal() {
        // (flag, NO_COLOR, CLICOLOR_FORCE, terminal) → colour
        let cases = [
            (Color::Auto, false, false, true, true),
            (Color::Auto, false, false, false, false),
            (Color::Auto, true, false, true, false),
            (Color::Auto, false, true, false, true),
            (Color::Auto, true, true, true, false),
            (Color::Always, true, false, false, true),
            (Color::Never, false, true, true, false),
        ];
        for (color, no_color, force, terminal, expected) in cases {
            assert_eq!(color.decide(no_color, force, terminal), expected, "{color:?} {no_color} {force} {terminal}");
        }
    }
}
