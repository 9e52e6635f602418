//! A worker is killed while it loads: that says nothing of its model, nor of those who wait for it.

use core_wire::code::Refusal;

use super::{Effect, LineId, State, batch::Station, spare::Spare};

/// How often in a row a line is loaded again whose worker was killed from elsewhere while it
/// loaded: with the rests between them that takes a quarter of a minute, and whoever kills for
/// longer means it.
pub(crate) const KILLED_LOADS_MAX: u32 = 16;

/// Milliseconds of rest before the load after the second such kill; doubled for each more.
const KILLED_REST_MS: u64 = 20;

/// Doublings of that at most: 1.3 s, as long as a small model takes to load from a disk.
const KILLED_DOUBLINGS_MAX: u32 = 6;

impl State {
    /// A worker was killed from elsewhere while it loaded, which says nothing of anybody: it is
    /// loaded again as long as somebody needs it, in the memory that it was granted.
    pub(super) fn load_killed(&mut self, id: &LineId, refusal: &Refusal, out: &mut Vec<Effect>) {
        let needed = self.is_needed(id);
        let Some(line) = self.lines.get_mut(id).filter(|line| line.station == Station::Loading)
        else {
            // A spare: nobody waits for that.
            return self.load_failed(id, refusal, out);
        };
        if line.spare == Spare::Adopted {
            line.spare = Spare::None;
        }
        if !needed || line.killed_loads >= KILLED_LOADS_MAX {
            return self.load_failed(id, refusal, out);
        }
        line.killed_loads += 1;
        self.memory.drop_wish(id);
        out.push(Effect::Load(id.clone()));
    }

    /// Whether a worker is being started to serve a line.
    pub(crate) fn loads(&self, id: &LineId) -> bool {
        self.lines.get(id).is_some_and(|line| line.station == Station::Loading)
    }

    /// Milliseconds to wait before a line is loaded again whose workers were killed while they
    /// loaded: not at all after the first.
    pub(crate) fn killed_rest_ms(&self, id: &LineId) -> u64 {
        let killed = self.lines.get(id).map_or(0, |line| line.killed_loads);
        let doublings = killed.checked_sub(2);
        doublings.map_or(0, |doublings| KILLED_REST_MS << doublings.min(KILLED_DOUBLINGS_MAX))
    }
}
