//! The library's log, on its way to the log pipe: warnings only, few, and never a prompt.

use std::{
    ffi::{CStr, c_char, c_void},
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

/// Lines that the library may write in the life of a process. A failing load writes about ten; a
/// model that makes it write thousands must not flood the broker's log.
pub(super) const LINES_MAX: u32 = 100;

/// Bytes of a line's text; together with what stands around it far below PIPE_BUF.
pub(super) const LINE_BYTES_MAX: usize = 240;

/// Bytes of what stands in front of the text and of the newline behind it.
const FRAME_BYTES_MAX: usize = 24;

/// Lines written so far.
static LINES: AtomicU32 = AtomicU32::new(0);

/// Whether prompts may be in the process: then only the name of the speaking function is told.
static DISCREET: AtomicBool = AtomicBool::new(false);

/// Sends the library's log to descriptor 2. Call it before anything is loaded: the library logs a
/// line for every tensor.
pub(crate) fn route_log() {
    // SAFETY: L3: the callback fits the type, lives for ever, and needs no user data.
    unsafe { llama_cpp_sys_2::llama_log_set(Some(on_log), std::ptr::null_mut()) };
}

/// From now on a line tells which function speaks and not what it says, because prompts come.
pub(crate) fn be_discreet() {
    DISCREET.store(true, Relaxed);
}

extern "C" fn on_log(
    level: llama_cpp_sys_2::ggml_log_level,
    text: *const c_char,
    _user: *mut c_void,
) {
    let word = match level {
        llama_cpp_sys_2::GGML_LOG_LEVEL_WARN => "warning",
        llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR => "error",
        _ => return,
    };
    if text.is_null() || LINES.fetch_add(1, Relaxed) >= LINES_MAX {
        return;
    }
    // SAFETY: L3: not null, and the library hands a NUL-terminated string that lives for the call.
    let text = unsafe { CStr::from_ptr(text) };
    let mut line = Line::new(word);
    line.text(text.to_bytes(), DISCREET.load(Relaxed));
    line.write();
}

/// A line being put together, on the stack: a log line must not need memory.
pub(super) struct Line {
    bytes: [u8; LINE_BYTES_MAX + FRAME_BYTES_MAX],
    used: usize,
}

impl Line {
    pub(super) fn new(word: &str) -> Self {
        let mut line = Self { bytes: [0; LINE_BYTES_MAX + FRAME_BYTES_MAX], used: 0 };
        line.put(b"llama.cpp ");
        line.put(word.as_bytes());
        line.put(b": ");
        line
    }

    /// Appends `text` as printable ASCII; only the name before its first colon where `discreet`.
    pub(super) fn text(&mut self, text: &[u8], discreet: bool) {
        let name = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
        let keep = if discreet { name.count() } else { text.len() };
        let text = text[..keep.min(LINE_BYTES_MAX)].trim_ascii_end();
        for &byte in text {
            let plain = byte == b' ' || byte.is_ascii_graphic();
            self.put(&[if plain { byte } else { b'?' }]);
        }
    }

    /// The line with its newline, for which a byte is always left.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.bytes[self.used] = b'\n';
        &self.bytes[..=self.used]
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = (self.used + bytes.len()).min(self.bytes.len() - 1);
        let room = end - self.used;
        self.bytes[self.used..end].copy_from_slice(&bytes[..room]);
        self.used = end;
    }

    /// One write, whose failure does not matter: the pipe never blocks and may be full.
    fn write(mut self) {
        let bytes = self.finish();
        // SAFETY: pointer and length are those of a live slice; descriptor 2 is the log pipe.
        let _written = unsafe { libc::write(2, bytes.as_ptr().cast(), bytes.len()) };
    }
}
