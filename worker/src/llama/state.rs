//! The state of one sequence as bytes, for whoever saves a context and restores it.
//!
//! The engine checks the magic, the shape and the types of what it reads; that nobody else wrote it
//! is the broker's to prove (an HMAC), because the engine's reader was not made for hostile bytes.

use llama_cpp_sys_2 as sys;

use super::context::{Context, SequenceError};

impl Context<'_> {
    /// The last position of `sequence`; `None` while it has no cells.
    ///
    /// # Errors
    /// [`SequenceError::Range`].
    pub(crate) fn last_position(&mut self, sequence: i32) -> Result<Option<u32>, SequenceError> {
        let (sequence, memory) = (self.sequence(sequence)?, self.memory());
        // SAFETY: L7, and the sequence was checked.
        let last = unsafe { sys::llama_memory_seq_pos_max(memory, sequence) };
        Ok(u32::try_from(last).ok())
    }

    /// Bytes of the state of `sequence` as it is now.
    ///
    /// # Errors
    /// [`SequenceError::Range`].
    pub(crate) fn state_size(&mut self, sequence: i32) -> Result<usize, SequenceError> {
        let sequence = self.sequence(sequence)?;
        // SAFETY: L6: the context is live, and the sequence was checked.
        Ok(unsafe { sys::llama_state_seq_get_size(self.raw(), sequence) })
    }

    /// The state of `sequence`: its cells, its keys and values.
    ///
    /// Ask [`Self::state_size`] before whether there is memory for it.
    ///
    /// # Errors
    /// [`SequenceError`].
    pub(crate) fn state(&mut self, sequence: i32) -> Result<Vec<u8>, SequenceError> {
        let size = self.state_size(sequence)?;
        let mut bytes = vec![0_u8; size];
        let to = bytes.as_mut_ptr();
        // SAFETY: L6, and L9: the engine writes no more than `size` bytes, which are there.
        let written = unsafe { sys::llama_state_seq_get_data(self.raw(), to, size, sequence) };
        if written == 0 || written > size {
            return Err(SequenceError::Engine);
        }
        bytes.truncate(written);
        Ok(bytes)
    }

    /// Puts a state in the place of what `sequence` held; answers the tokens that it has now.
    ///
    /// # Errors
    /// [`SequenceError`]; then the sequence is empty.
    pub(crate) fn set_state(&mut self, sequence: i32, bytes: &[u8]) -> Result<u32, SequenceError> {
        self.remove(sequence, 0)?;
        let (from, size) = (bytes.as_ptr(), bytes.len());
        // SAFETY: L6, and L9: the engine reads no more than `size` bytes, which are there.
        let read = unsafe { sys::llama_state_seq_set_data(self.raw(), from, size, sequence) };
        if read == 0 || read != size {
            self.remove(sequence, 0)?;
            return Err(SequenceError::Engine);
        }
        Ok(self.last_position(sequence)?.map_or(0, |last| last.saturating_add(1)))
    }
}
