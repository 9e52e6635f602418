//! The model's chat template: a Jinja program out of the model file, so a hostile one.
//!
//! It can reach nothing but the messages, and what it may spend is bounded: its own size, the work
//! and memory of a rendering (fuel), its depth, and the size of what it writes. One thing is known
//! that minijinja 3.1 does not count: a list added to itself some forty times. That ends in the
//! limits of the process (memory, and the heartbeat that the broker watches), as every other
//! hostile model does.

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use core_wire::{client::request::ChatMessage, limits::CLIENT_FRAME_BYTES_CEILING};
use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};
use minijinja_contrib::pycompat::unknown_method_callback;
use thiserror::Error as ThisError;

/// Bytes of a template. The longest published ones, with tool calls, have about 20 KiB.
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// Instructions, or 64 bytes of data each, that one rendering may cost: some 64 MiB at once, which
/// copies the largest prompt fifteen times, and below a tenth of a second of computing.
const FUEL: u64 = 1_000_000;

/// Bytes of a rendered chat: the largest prompt, and as much again for markers around messages.
const OUTPUT_BYTES_MAX: usize = 2 * CLIENT_FRAME_BYTES_CEILING;

/// Nesting of macros, loops and blocks; published templates stay below 20, and the 8 MiB stack of
/// the main thread is good for far more.
const DEPTH_MAX: usize = 100;

/// The one template's name.
const NAME: &str = "chat";

/// Why a chat cannot be rendered. No text of the template is repeated: it is the model file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(crate) enum TemplateError {
    /// The model file holds none.
    #[error("this model has no chat template; send text instead of messages")]
    Missing,
    /// It is no template.
    #[error("this model's chat template does not parse; send text instead of messages")]
    Syntax,
    /// It is longer than any sensible one.
    #[error("this model's chat template has over {SOURCE_BYTES_MAX} bytes; send text instead")]
    Long,
    /// It called `raise_exception`, usually because of the order of the roles.
    #[error("this model's chat template refuses these messages; check the order of their roles")]
    Refused,
    /// It did too much.
    #[error("this model's chat template did too much work or wrote too much for these messages")]
    Work,
    /// It failed otherwise.
    #[error("this model's chat template failed on these messages; send text instead")]
    Failed,
}

/// A compiled template with what it may know of the vocabulary.
pub(crate) struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl Template {
    /// Compiles `source`; `bos` and `eos` are the texts of the vocabulary's markers.
    ///
    /// # Errors
    /// [`TemplateError::Long`] and [`TemplateError::Syntax`].
    pub(crate) fn compile(source: &str, bos: &str, eos: &str) -> Result<Self, TemplateError> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(TemplateError::Long);
        }
        let mut environment = Environment::new();
        // As the library that all published templates were written for sets it.
        let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(blocks.map_err(|_| TemplateError::Syntax)?);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH_MAX);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|_| TemplateError::Syntax)?;
        Ok(Self { environment, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The prompt of a chat, open for the assistant's answer.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub(crate) fn render(&self, messages: &[ChatMessage]) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|_| TemplateError::Failed)?;
        // `tools` and `documents` are none and not undefined, because templates ask whether they
        // are none. No clock: the same messages always make the same prompt.
        let known = context! {
            messages => listed(messages),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => Value::from(()),
            documents => Value::from(()),
        };
        let mut out = Bounded(Vec::new());
        template.render_captured_to(known, &mut out).map_err(|error| cause(&error))?;
        String::from_utf8(out.0).map_err(|_| TemplateError::Failed)
    }
}

/// Messages as templates know them: a list of maps.
fn listed(messages: &[ChatMessage]) -> Value {
    let known = |message: &ChatMessage| {
        context! {
            role => message.role.as_str(),
            content => message.content.as_str(),
        }
    };
    messages.iter().map(known).collect::<Vec<Value>>().into()
}

/// The words with which [`raise_exception`] marks its errors.
const RAISED: &str = "raised by the template";

/// What templates call when messages are not as they want them; its text is not repeated.
fn raise_exception(_message: Value) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, RAISED))
}

fn cause(error: &Error) -> TemplateError {
    match error.kind() {
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => TemplateError::Work,
        _ if error.detail() == Some(RAISED) => TemplateError::Refused,
        _ => TemplateError::Failed,
    }
}

/// A buffer that takes so much and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
