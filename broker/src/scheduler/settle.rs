//! Doing for one line what can be done now.

use core_wire::ids::JobId;

use super::{
    Effect, End, LineId, State, Ticket,
    batch::{BRIEFS_MAX, Crew, Seat, Share, Station},
    queue::Line,
};

impl State {
    /// Does what the line allows now, until nothing is left to do.
    pub(super) fn settle(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        let Some(mut line) = self.lines.remove(id) else {
            return;
        };
        match line.station {
            Station::Absent => self.settle_absent(id, &mut line, out),
            Station::Loading | Station::Stopping(_) => {}
            Station::Serving(crew) => self.settle_serving(id, &mut line, crew, out),
            Station::Finishing(crew) => settle_finishing(&mut line, crew, out),
        }
        self.tell_positions(&line, out);
        if !line.is_idle() {
            self.lines.insert(id.clone(), line);
        }
    }

    fn settle_absent(&mut self, id: &LineId, line: &mut Line, out: &mut Vec<Effect>) {
        for ticket in std::mem::take(&mut line.unloads) {
            self.conclude(ticket, End::Placed, out);
        }
        if line.wants_worker() {
            line.station = Station::Loading;
            out.push(Effect::Load(id.clone()));
        }
    }

    fn settle_serving(
        &mut self,
        id: &LineId,
        line: &mut Line,
        mut crew: Crew,
        out: &mut Vec<Effect>,
    ) {
        for ticket in std::mem::take(&mut line.loads) {
            self.conclude(ticket, End::Placed, out);
        }
        if !line.unloads.is_empty() {
            settle_finishing(line, crew, out);
            return;
        }
        while crew.held < crew.slots
            && let Some(ticket) = line.slots.pop()
        {
            crew.held += 1;
            self.submit(ticket, Seat::new(crew, id, Share::Slot, ticket), out);
        }
        while crew.briefs < BRIEFS_MAX
            && let Some(ticket) = line.briefs.pop()
        {
            crew.briefs += 1;
            self.submit(ticket, Seat::new(crew, id, Share::Brief, ticket), out);
        }
        line.station = Station::Serving(crew);
    }

    fn submit(&mut self, ticket: Ticket, seat: Seat, out: &mut Vec<Effect>) {
        let job = JobId(self.next_job);
        self.next_job += 1;
        let worker = seat.worker;
        self.jobs.insert(job, seat);
        self.stop_waiting(ticket);
        if let Some(request) = self.requests.get_mut(&ticket) {
            request.job = Some(job);
        }
        out.push(Effect::Submit { worker, ticket, job });
    }
}

/// Asks the worker to end once it runs nothing.
fn settle_finishing(line: &mut Line, crew: Crew, out: &mut Vec<Effect>) {
    if crew.is_idle() {
        line.station = Station::Stopping(crew.worker);
        out.push(Effect::Stop(crew.worker));
    } else {
        line.station = Station::Finishing(crew);
    }
}
