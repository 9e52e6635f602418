//! Waiting for what a broker does.

use std::time::Duration;

use super::{Broker, processes};

/// How long a worker may take to run a request that was just sent.
const BUSY_MAX: Duration = Duration::from_secs(10);

impl Broker {
    /// Waits until the first worker runs a request.
    ///
    /// # Panics
    /// It does not in time.
    pub fn wait_until_busy(&self) {
        let busy = || {
            let status = self.corectl(&["status"]).lines.remove(0);
            (status["workers"][0]["active"] == 1).then_some(())
        };
        processes::wait_for(BUSY_MAX, busy).expect("a worker runs a request");
    }
}
