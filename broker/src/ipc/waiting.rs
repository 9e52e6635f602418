//! The waiting room: connections that have not proved anything yet.
//!
//! When it is full, room is made at once by closing a connection of the user who has most of them,
//! so that a user who opens many takes room from itself only. Of those it is the one that has
//! waited longest without having said hello, so that any number of silent ones hinders no client
//! that speaks; and when all have, the one that has waited longest.

#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use tokio::task::AbortHandle;

/// Connections that may wait (contract).
pub(super) const WAITING_MAX: usize = 16;

/// The connections that wait, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingRoom(Rc<RefCell<Room>>);

#[derive(Debug, Default)]
struct Room {
    next: u64,
    chairs: Vec<Chair>,
}

/// One connection that waits.
#[derive(Debug)]
struct Chair {
    serial: u64,
    uid: u32,
    spoke: bool,
    task: Option<AbortHandle>,
}

/// A place in the room; leaving is dropping it.
#[derive(Debug)]
pub(super) struct Ticket {
    room: WaitingRoom,
    serial: u64,
}

impl WaitingRoom {
    /// Takes a place, closing another connection when there is none.
    pub(super) fn enter(&self, uid: u32) -> Ticket {
        let mut room = self.0.borrow_mut();
        if room.chairs.len() >= WAITING_MAX {
            room.clear_one();
        }
        let serial = room.next;
        room.next += 1;
        room.chairs.push(Chair { serial, uid, spoke: false, task: None });
        Ticket { room: self.clone(), serial }
    }

    /// Names the task that ends when its place is taken.
    pub(super) fn occupy(&self, serial: u64, task: AbortHandle) {
        self.with_chair(serial, |chair| chair.task = Some(task));
    }

    fn with_chair(&self, serial: u64, change: impl FnOnce(&mut Chair)) {
        let mut room = self.0.borrow_mut();
        if let Some(chair) = room.chairs.iter_mut().find(|chair| chair.serial == serial) {
            change(chair);
        }
    }
}

impl Ticket {
    /// The number of the place, for [`WaitingRoom::occupy`].
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// The connection has said hello.
    pub(super) fn spoke(&self) {
        self.room.with_chair(self.serial, |chair| chair.spoke = true);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.room.0.borrow_mut().chairs.retain(|chair| chair.serial != self.serial);
    }
}

impl Room {
    fn clear_one(&mut self) {
        let Some(uid) = self.heaviest() else { return };
        let of_user = |chair: &Chair| chair.uid == uid;
        let silent = self.chairs.iter().position(|chair| of_user(chair) && !chair.spoke);
        let Some(at) = silent.or_else(|| self.chairs.iter().position(of_user)) else {
            return;
        };
        if let Some(task) = self.chairs.remove(at).task {
            // The task drops its ticket when it is next polled; its place is free already.
            task.abort();
        }
    }

    /// The user with most places; of several the one whose connection is oldest.
    fn heaviest(&self) -> Option<u32> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        self.chairs.iter().for_each(|chair| *counts.entry(chair.uid).or_default() += 1);
        let most = counts.values().max().copied()?;
        self.chairs.iter().map(|chair| chair.uid).find(|uid| counts[uid] == most)
    }
}
