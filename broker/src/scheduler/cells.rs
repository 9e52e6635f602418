//! What a request takes: cells of the KV cache while it runs, tokens of its session's fair share.

use core_wire::ids::JobId;

use super::{Cost, Effect, Request, State, Task, batch::Station, seat::Stay};

/// Cells are charged in blocks of so many, and told of once for each: a token does not cost an
/// event, and a job never has more cells than it is charged for.
pub(super) const BLOCK: u32 = 64;

/// Cells that a job is charged for: what it holds, in whole blocks, and a block to grow into.
pub(super) fn needed(prompt: u32, emitted: u32) -> u32 {
    let held = prompt.saturating_add(emitted).div_ceil(BLOCK);
    held.saturating_add(1).saturating_mul(BLOCK)
}

impl Cost {
    /// What a session is charged for it until it has ended.
    pub(super) fn tokens(self) -> u64 {
        u64::from(self.prompt) + u64::from(self.max_tokens)
    }
}

impl Request {
    /// Cells that it needs to run: nothing is reserved for tokens that may never come.
    pub(super) fn cells(&self) -> u32 {
        needed(self.cost.prompt, self.emitted)
    }

    /// What it has taken so far of its session's share.
    pub(super) fn taken(&self) -> u64 {
        match self.was_given {
            true => u64::from(self.cost.prompt) + u64::from(self.emitted),
            false => 0,
        }
    }
}

impl State {
    /// The prompt of a job was counted. A longer estimate held back cells that others can have.
    pub(super) fn started(&mut self, job: JobId, prompt: u32, out: &mut Vec<Effect>) {
        let Some(seat) = self.jobs.get(&job) else {
            return;
        };
        let line = seat.line.clone();
        if let Some(request) = seat.ticket.and_then(|ticket| self.requests.get_mut(&ticket)) {
            request.cost.prompt = prompt;
        }
        self.recharge(job);
        self.settle(&line, out);
    }

    /// A job has emitted more. One that was spared until then can be asked to leave from now on,
    /// and somebody may wait for that.
    pub(super) fn grown(&mut self, job: JobId, emitted: u32, out: &mut Vec<Effect>) {
        let Some(seat) = self.jobs.get_mut(&job) else {
            return;
        };
        let spared = match seat.stay {
            Stay::Until(tokens) if tokens > 0 && emitted >= tokens => {
                seat.stay = Stay::Until(0);
                Some(seat.line.clone())
            }
            Stay::Until(_) | Stay::Leaves => None,
        };
        let (ticket, line) = (seat.ticket, seat.line.clone());
        let request = ticket.and_then(|ticket| self.requests.get_mut(&ticket));
        if let Some(request) = request {
            request.emitted = request.emitted.max(emitted);
        }
        let acquitted = ticket.is_some_and(|ticket| self.acquit(ticket));
        if acquitted && let Some(line) = self.lines.get_mut(&line) {
            line.station.clear();
        }
        self.recharge(job);
        if let Some(line) = spared.or(acquitted.then_some(line)) {
            self.settle(&line, out);
        }
    }

    /// Charges a job for the cells that it needs by now.
    fn recharge(&mut self, job: JobId) {
        let Some(seat) = self.jobs.get_mut(&job) else {
            return;
        };
        let request = seat.ticket.and_then(|ticket| self.requests.get(&ticket));
        let Some(cells) = request.map(Request::cells) else {
            return;
        };
        let station = self.lines.get_mut(&seat.line).map(|line| &mut line.station);
        if let Some(Station::Serving(crew) | Station::Finishing(crew)) = station {
            crew.charged = crew.charged.saturating_sub(seat.cells).saturating_add(cells);
        }
        seat.cells = cells;
    }

    /// Charges the session of a request that has ended for what it really took.
    pub(super) fn settle_up(&mut self, request: &Request) {
        let taken = request.taken();
        let lanes = match &request.task {
            Task::Generate(id) => self.lines.get_mut(id).map(|line| &mut line.slots),
            Task::Embed(id) => self.lines.get_mut(id).map(|line| &mut line.texts),
            Task::Brief(_) | Task::Load(_) | Task::Unload(_) | Task::Swap { .. } | Task::Drain => {
                None
            }
        };
        if let Some(lanes) = lanes {
            let lane = lanes.lane_mut(request.class);
            lane.settle_up(request.conn, request.charged, taken);
        }
    }
}
