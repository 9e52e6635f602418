//! From one state of a model to the next: when a failed one may be tried again.

use core_wire::code::{Refusal, Retry};

use super::files::Content;

/// Wait after the first failure: long enough that a client in a loop does not fork a worker for
/// each of its requests, short enough for somebody who has just repaired something.
const AGAIN_MS_FIRST: u64 = 500;

/// Longest wait after failures in a row.
const AGAIN_MS_MAX: u64 = 30_000;

/// Crashes in a row without a token between them after which a model counts as failed: more than a
/// single request can cause before it is quarantined.
const CRASHES_MAX: u32 = 6;

/// Wait before the load after the second crash in a row; doubled for each more.
const CRASH_REST_MS: u64 = 100;

/// A worker that served for this long was well, and its crash begins a new row: a model that cannot
/// be served shows it with its first requests.
const WELL_MS: u64 = 60_000;

/// Crashes that are this far apart are not in a row either, however briefly their workers served:
/// longer than a large file takes to load from a slow disk.
const FORGOTTEN_MS: u64 = 1_800_000;

/// Whether a worker had said a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoke {
    /// It had.
    Yes,
    /// It had not.
    No,
}

/// The last failures of a model.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: Option<Failure>,
    /// The last crash, and those before it.
    crash: Option<Crash>,
}

#[derive(Debug)]
struct Crash {
    /// Of what the worker served; another content has crashed nobody.
    content: Content,
    at_ms: u64,
    /// Workers that crashed one soon after the other, none of which had said a token.
    in_a_row: u32,
}

#[derive(Debug)]
struct Failure {
    refusal: Refusal,
    /// What failed; another content may be tried at once.
    content: Content,
    again_at_ms: u64,
    in_a_row: u32,
}

impl Attempts {
    /// The last attempt succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.failed = None;
    }

    /// The last attempt failed with `refusal` on `content`.
    pub(crate) fn failed(&mut self, refusal: Refusal, content: Content, now_ms: u64) {
        let in_a_row = self.failed.as_ref().map_or(0, |failure| failure.in_a_row);
        self.failed_again(in_a_row, refusal, content, now_ms);
    }

    fn failed_again(&mut self, in_a_row: u32, refusal: Refusal, content: Content, now_ms: u64) {
        let wait_ms = AGAIN_MS_FIRST.checked_shl(in_a_row).unwrap_or(AGAIN_MS_MAX);
        let again_at_ms = now_ms + wait_ms.min(AGAIN_MS_MAX);
        // 16 doublings are beyond the longest wait; counting on would only overflow the shift.
        let in_a_row = in_a_row.saturating_add(1).min(16);
        self.failed = Some(Failure { refusal, content, again_at_ms, in_a_row });
    }

    /// A worker that served for `served_ms` crashed, which was said with `refusal`; `spoke` tells
    /// whether it had said a token. Once too often in a row, and the model counts as failed until
    /// it may be tried again, each time later.
    pub(crate) fn crashed(
        &mut self,
        spoke: Spoke,
        (refusal, content): (&Refusal, &Content),
        (now_ms, served_ms): (u64, u64),
    ) {
        let before = self.crash.as_ref().filter(|crash| {
            let late = now_ms.saturating_sub(crash.at_ms) >= FORGOTTEN_MS;
            served_ms < WELL_MS && !late && spoke == Spoke::No && crash.content == *content
        });
        let in_a_row = before.map_or(1, |crash| crash.in_a_row.saturating_add(1));
        self.crash = Some(Crash { content: content.clone(), at_ms: now_ms, in_a_row });
        if let Some(over) = in_a_row.checked_sub(CRASHES_MAX) {
            self.failed_again(over, refusal.clone(), content.clone(), now_ms);
        }
    }

    /// How long to wait before it is loaded again after crashes: not at all after the first, and
    /// only as long as the last of them is that recent.
    pub(crate) fn rest_ms(&self, now_ms: u64) -> u64 {
        let Some(crash) = self.crash.as_ref().filter(|crash| crash.in_a_row > 1) else {
            return 0;
        };
        let rest_ms = CRASH_REST_MS << (crash.in_a_row - 2).min(CRASHES_MAX);
        (crash.at_ms + rest_ms).saturating_sub(now_ms)
    }

    /// Why the last attempt failed.
    pub(crate) fn reason(&self) -> Option<&Refusal> {
        self.failed.as_ref().map(|failure| &failure.refusal)
    }

    /// Whether the last attempt failed on this very content.
    pub(crate) fn is_of(&self, content: &Content) -> bool {
        self.failed.as_ref().is_some_and(|failure| failure.content == *content)
    }

    /// How long it is too early for another attempt on the same file.
    pub(crate) fn left_ms(&self, now_ms: u64) -> u64 {
        self.failed.as_ref().map_or(0, |failure| failure.again_at_ms.saturating_sub(now_ms))
    }

    /// The refusal for a request that comes too early after a failure; `None` if it may be tried.
    /// It names a time only where its code says that a retry helps.
    pub(crate) fn too_early(&self, content: &Content, now_ms: u64) -> Option<Refusal> {
        let failure = self.failed.as_ref()?;
        let left_ms = failure.again_at_ms.checked_sub(now_ms).filter(|&left| left > 0)?;
        if failure.content != *content {
            return None;
        }
        let refusal = failure.refusal.clone();
        Some(match refusal.code.retry() {
            Retry::Never => refusal,
            Retry::Later => refusal.after(u32::try_from(left_ms).unwrap_or(u32::MAX)),
        })
    }
}

#[cfg(test)]
mod tests;
