//! Colour, only where a terminal shows it, and never the only sign.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style as Ansi};

/// Whether a stream takes colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// It is a terminal that does, and nothing in the environment forbids it.
    Colour,
    /// It does not.
    Plain,
}

impl Style {
    /// What standard output takes.
    pub(crate) fn of_stdout() -> Self {
        Self::from(AutoStream::choice(&std::io::stdout()))
    }

    /// What standard error takes.
    pub(crate) fn of_stderr() -> Self {
        Self::from(AutoStream::choice(&std::io::stderr()))
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint(Ansi::new().bold(), text)
    }

    /// Something as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// Something that needs a look.
    pub(crate) fn odd(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// Something wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    fn paint(self, ansi: Ansi, text: &str) -> String {
        match self {
            Self::Colour => format!("{ansi}{text}{ansi:#}"),
            Self::Plain => text.into(),
        }
    }
}

impl From<ColorChoice> for Style {
    fn from(choice: ColorChoice) -> Self {
        match choice {
            ColorChoice::Never => Self::Plain,
            ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi => Self::Colour,
        }
    }
}
