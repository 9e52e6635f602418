//! Doing for one line what can be done now.

use core_wire::ids::JobId;

use super::{
    Effect, End, LineId, State,
    batch::{Crew, Station},
    cells::BLOCK,
    priority::{Next, Turn},
    queue::Line,
    seat::{Seat, Share, Stay},
    spare::Spare,
    swap::Turnover,
};

impl State {
    /// Does what the line allows now, until nothing is left to do.
    pub(super) fn settle(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        let mut line = std::mem::take(line);
        match line.station {
            Station::Absent => self.settle_absent(id, &mut line, out),
            Station::Loading | Station::Stopping(_) => {}
            Station::Serving(crew) => self.settle_serving(id, &mut line, crew, out),
            Station::Finishing(crew) => settle_finishing(id, &mut line, crew, out),
        }
        self.tell_front(id, &mut line, out);
        self.note_expiry(id, &mut line);
        if line.is_idle() {
            if line.turnover == Turnover::Retired {
                out.push(Effect::Retired(id.clone()));
            }
            self.lines.remove(id);
        } else {
            self.put_line(id, line);
        }
    }

    fn settle_absent(&mut self, id: &LineId, line: &mut Line, out: &mut Vec<Effect>) {
        let comes = line.wants_worker() && line.turnover != Turnover::Held;
        if !comes {
            // What a lost worker held is kept for the next one, and for nobody else.
            self.memory.release(id);
        }
        // While a spare ends, what it holds is not free yet.
        if line.spare != Spare::None {
            return;
        }
        for ticket in std::mem::take(&mut line.unloads) {
            self.conclude(ticket, End::Placed, out);
        }
        if comes {
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
            line.used_ms = self.now_ms;
            self.conclude(ticket, End::Placed, out);
        }
        if !line.unloads.is_empty() {
            return settle_finishing(id, line, crew, out);
        }
        if line.turnover == Turnover::Held {
            return;
        }
        let heard = self.hear(id, line, &mut crew, out);
        if !heard {
            self.seat_all(id, line, &mut crew, out);
        }
        line.station = Station::Serving(crew);
        if !heard {
            self.make_room(line, crew, out);
        }
        if line.turnover == Turnover::Retired && crew.is_idle() && !line.wants_worker() {
            line.station = Station::Stopping(crew.worker);
            out.push(Effect::Stop(crew.worker));
            line.drop_spare(id, out);
        }
    }

    /// Gives the worker what waits, as much as it may hold.
    fn seat_all(&mut self, id: &LineId, line: &mut Line, crew: &mut Crew, out: &mut Vec<Effect>) {
        while let Some(next) = line.slots.next(self.now_ms)
            && let Some(seat) = self.seat(id, *crew, next)
        {
            line.serve(next);
            crew.take(seat.cells);
            self.submit(next, seat, crew, out);
        }
        while crew.briefs < crew.briefs_max
            && let Some(next) = line.briefs.next(self.now_ms)
        {
            self.seat_brief(id, line, (next, crew), out);
        }
        while crew.texts < crew.texts_max
            && let Some(next) = line.texts.next(self.now_ms)
        {
            self.seat_text(id, line, (next, crew), out);
        }
    }

    /// Gives the worker something that takes a moment.
    pub(super) fn seat_brief(
        &mut self,
        id: &LineId,
        line: &mut Line,
        (next, crew): (Next, &mut Crew),
        out: &mut Vec<Effect>,
    ) {
        line.briefs.serve(next);
        crew.briefs += 1;
        let seat = Seat::beside(crew.worker, id, (next, Share::Brief), self.now_ms);
        self.submit(next, seat, crew, out);
    }

    /// Gives the worker something to embed.
    pub(super) fn seat_text(
        &mut self,
        id: &LineId,
        line: &mut Line,
        (next, crew): (Next, &mut Crew),
        out: &mut Vec<Effect>,
    ) {
        line.texts.serve(next);
        crew.texts += 1;
        let seat = Seat::beside(crew.worker, id, (next, Share::Text), self.now_ms);
        self.submit(next, seat, crew, out);
    }

    /// A slot for the next of those who wait for one, if there is one and its cells are free. Who
    /// comes later does not pass it then, or a long prompt would never get its cells.
    pub(super) fn seat(&self, id: &LineId, crew: Crew, next: Next) -> Option<Seat> {
        let ticket = next.place.ticket();
        let request = self.requests.get(&ticket)?;
        let cells = request.cells();
        let stay = match next.turn {
            // Parked again at once it would wait for ever: it gets a block of tokens in any case.
            Turn::Age => request.emitted.saturating_add(BLOCK),
            Turn::Class => request.stays_until,
        };
        crew.has_room(cells).then(|| Seat {
            worker: crew.worker,
            line: id.clone(),
            share: Share::Slot,
            class: next.class,
            ticket: Some(ticket),
            since_ms: self.now_ms,
            cells,
            tokens: request.emitted,
            stay: Stay::Until(stay),
            sole: false,
        })
    }

    pub(super) fn submit(
        &mut self,
        next: Next,
        seat: Seat,
        crew: &mut Crew,
        out: &mut Vec<Effect>,
    ) {
        let job = JobId(self.next_job);
        self.next_job += 1;
        let (worker, ticket) = (seat.worker, next.place.ticket());
        self.note_given(job, seat, crew);
        self.stop_waiting(ticket);
        if let Some(request) = self.requests.get_mut(&ticket) {
            request.job = Some(job);
            request.was_given = true;
        }
        out.push(Effect::Submit { worker, ticket, job, class: next.class });
    }
}

/// Asks the worker to end once it runs nothing, and its spare at once.
fn settle_finishing(id: &LineId, line: &mut Line, crew: Crew, out: &mut Vec<Effect>) {
    line.drop_spare(id, out);
    if crew.is_idle() {
        line.station = Station::Stopping(crew.worker);
        out.push(Effect::Stop(crew.worker));
    } else if !matches!(line.station, Station::Finishing(_)) {
        line.station = Station::Finishing(crew);
        out.push(Effect::Draining(id.clone()));
    }
}
