//! A worker that holds a vocabulary alone: it tokenizes, and has no weights to continue with.

use core_wire::code::{Code, Refusal};

use super::{IDLE_PARK, desk::Desk, embed::Beside};
use crate::fault::Fault;

/// The longest sequence: none can be continued here.
const NO_CONTEXT: u32 = 0;

/// Serves until the broker says stop.
///
/// # Errors
/// [`Fault`].
pub(crate) fn serve(desk: &mut Desk<'_>) -> Result<(), Fault> {
    loop {
        // A cancelled job that is not here has ended already.
        if desk.listen()?.stop {
            return Ok(());
        }
        for generate in desk.prepare(NO_CONTEXT, usize::MAX, Beside::Nobody)? {
            let message = "this worker holds a vocabulary alone and cannot continue text";
            desk.refuse(generate.job, &Refusal::new(Code::BadParameter, message))?;
        }
        desk.answers.write_one(&mut desk.link)?;
        desk.link.beat();
        if desk.is_idle() {
            let _wake = desk.link.rest(IDLE_PARK)?;
        }
    }
}
