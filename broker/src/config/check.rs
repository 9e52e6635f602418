//! From what the file says to a [`Config`] that cannot be wrong.

use std::{fmt::Display, ops::RangeInclusive};

use core_wire::limits::{CLIENT_FRAME_BYTES_CEILING, SERVER_FRAME_BYTES_MAX};
use toml::Spanned;

use super::{
    Config, DETACH_MS_MAX, DRAIN_MS_MAX, Finding, ModelDefaults, OUTBOX_BYTES_MIN,
    OUTBOX_FRAMES_MAX, OutboxConfig, QUEUE_REQUESTS_MAX, QueueConfig, UIDS_MAX, WATCHDOG_MS_RANGE,
    memory, model, placing, raw,
};

/// The uid that many services share (`nobody`).
const NOBODY: u32 = 65534;

/// Bytes of a client's frame, at least and at most: a kilobyte fits any request without a prompt.
const CLIENT_FRAME: (usize, usize) = (1 << 10, CLIENT_FRAME_BYTES_CEILING);
/// Bytes of an outbox at most: four of the largest frames.
const OUTBOX_BYTES_CEILING: usize = 4 * SERVER_FRAME_BYTES_MAX;

/// Where the lines of a text start.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(after.map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    pub(super) fn of_byte(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }
}

/// What was found so far; checking goes on after the first error so that all are told at once.
pub(super) struct Findings<'a> {
    lines: &'a Lines,
    wrong: Vec<Finding>,
    odd: Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn wrong<T>(&mut self, at: &Spanned<T>, text: String) {
        self.wrong.push(Finding { line: self.lines.of_byte(at.span().start), text });
    }

    pub(super) fn odd<T>(&mut self, at: &Spanned<T>, text: String) {
        self.odd.push(Finding { line: self.lines.of_byte(at.span().start), text });
    }

    /// The value if it stands there and is in range.
    pub(super) fn within<T: PartialOrd + Copy + Display>(
        &mut self,
        name: &str,
        value: Option<&Spanned<T>>,
        allowed: RangeInclusive<T>,
    ) -> Option<T> {
        let value = value?;
        let found = *value.get_ref();
        if allowed.contains(&found) {
            return Some(found);
        }
        let (min, max) = allowed.into_inner();
        self.wrong(value, format!("{name} is {found}; {min} to {max} is allowed"));
        None
    }
}

pub(super) fn check(
    raw: raw::Config,
    lines: &Lines,
) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let mut found = Findings { lines, wrong: Vec::new(), odd: Vec::new() };
    let config = config(raw, &mut found);
    if found.wrong.is_empty() { Ok((config, found.odd)) } else { Err(found.wrong) }
}

fn config(raw: raw::Config, found: &mut Findings<'_>) -> Config {
    let base = Config::default();
    let (frame_min, frame_max) = CLIENT_FRAME;
    let (watchdog_min, watchdog_max) = WATCHDOG_MS_RANGE;
    let frame = raw.client_frame_bytes_max.as_ref();
    if let Some(zero) = raw.drain_ms.as_ref().filter(|ms| *ms.get_ref() == 0) {
        found.odd(zero, "drain_ms is 0: the first signal cancels what runs".into());
    }
    Config {
        drain_ms: found
            .within("drain_ms", raw.drain_ms.as_ref(), 0..=DRAIN_MS_MAX)
            .unwrap_or(base.drain_ms),
        client_frame_bytes_max: found
            .within("client_frame_bytes_max", frame, frame_min..=frame_max)
            .unwrap_or(base.client_frame_bytes_max),
        uids: uids(&raw.uids, found),
        defaults: defaults(&raw.defaults, base.defaults, found),
        models: model::models(raw.models, found),
        queue: queue(&raw.queue, base.queue, found),
        outbox: outbox(&raw.outbox, base.outbox, found),
        memory: memory::memory(&raw.memory, found),
        cache: memory::cache(&raw.cache, base.cache, found),
        swap_drain_ms: found
            .within("swap_drain_ms", raw.swap_drain_ms.as_ref(), 0..=DRAIN_MS_MAX)
            .unwrap_or(base.swap_drain_ms),
        watchdog_ms: found
            .within("watchdog_ms", raw.watchdog_ms.as_ref(), watchdog_min..=watchdog_max)
            .unwrap_or(base.watchdog_ms),
        detach_ms: found
            .within("detach_ms", raw.detach_ms.as_ref(), 0..=DETACH_MS_MAX)
            .unwrap_or(base.detach_ms),
    }
}

fn uids(raw: &[Spanned<u32>], found: &mut Findings<'_>) -> Vec<u32> {
    let mut uids = Vec::new();
    for uid in raw {
        match *uid.get_ref() {
            0 => found.odd(uid, "uid 0 may always connect; it need not be listed".into()),
            NOBODY => found.odd(uid, "uid 65534 is shared by many services".into()),
            again if uids.contains(&again) => found.odd(uid, format!("uid {again} stands twice")),
            _ => {}
        }
        uids.push(*uid.get_ref());
    }
    if let Some(over) = raw.get(UIDS_MAX) {
        found.wrong(over, format!("{} uids; at most {UIDS_MAX} are allowed", raw.len()));
    }
    uids
}

fn defaults(raw: &raw::Defaults, base: ModelDefaults, found: &mut Findings<'_>) -> ModelDefaults {
    ModelDefaults {
        n_ctx: model::n_ctx(raw.n_ctx.as_ref(), found).unwrap_or(base.n_ctx),
        slots: model::slots(raw.slots.as_ref(), found).unwrap_or(base.slots),
        threads: model::threads(raw.threads.as_ref(), found).or(base.threads),
        step_ms_max: model::step_ms_max(raw.step_ms_max.as_ref(), found)
            .unwrap_or(base.step_ms_max),
        idle_cells: model::idle_cells(raw.idle_cells.as_ref(), found).or(base.idle_cells),
        keep_alive_s: placing::keep_alive(raw.keep_alive_s.as_ref(), found).or(base.keep_alive_s),
        kv: placing::kv(raw.kv.as_ref(), found).unwrap_or(base.kv),
        weights: placing::weights(raw.weights.as_ref(), found).or(base.weights),
        gpu_layers: placing::gpu_layers(raw.gpu_layers.as_ref(), found).unwrap_or(base.gpu_layers),
    }
}

fn queue(raw: &raw::Queue, base: QueueConfig, found: &mut Findings<'_>) -> QueueConfig {
    let all = 1..=QUEUE_REQUESTS_MAX;
    let (requests, session) = (raw.requests_max.as_ref(), raw.per_session_max.as_ref());
    QueueConfig {
        requests_max: found
            .within("queue.requests_max", requests, all.clone())
            .unwrap_or(base.requests_max),
        per_session_max: found
            .within("queue.per_session_max", session, all)
            .unwrap_or(base.per_session_max),
    }
}

fn outbox(raw: &raw::Outbox, base: OutboxConfig, found: &mut Findings<'_>) -> OutboxConfig {
    let ceiling = u32::try_from(OUTBOX_BYTES_CEILING).unwrap_or(u32::MAX);
    let (frames, bytes) = (raw.frames_max.as_ref(), raw.bytes_max.as_ref());
    OutboxConfig {
        frames_max: found
            .within("outbox.frames_max", frames, 1..=OUTBOX_FRAMES_MAX)
            .unwrap_or(base.frames_max),
        bytes_max: found
            .within("outbox.bytes_max", bytes, OUTBOX_BYTES_MIN..=ceiling)
            .unwrap_or(base.bytes_max),
    }
}
