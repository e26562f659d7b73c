//! Colours for people.

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    pub(crate) fn bold(self, text: &str) -> String {
        self.styled("1", text)
    }
    pub(crate) fn red(self, text: &str) -> String {
        self.styled("31", text)
    }
    pub(crate) fn green(self, text: &str) -> String {
        self.styled("32", text)
    }
    pub(crate) fn yellow(self, text: &str) -> String {
        self.styled("33", text)
    }

    fn styled(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
