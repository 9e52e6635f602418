//! The worker as a process: its state, its end, and what it left in the log.

use std::{fs, io::Read, process::ExitStatus, thread::sleep, time::Instant};

use super::{LOOK_PAUSE, PATIENCE, Worker};

impl Worker {
    /// Waits for the end of the process; answers its status and its log.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the worker does not end");
            sleep(LOOK_PAUSE);
        };
        (status, self.obituary())
    }

    /// A field of /proc/PID/status, of every thread.
    pub(crate) fn status(&self, field: &str) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let value = |task: std::io::Result<fs::DirEntry>| {
            let path = task.unwrap().path().join("status");
            let status = fs::read_to_string(path).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.unwrap().trim_start_matches(':').trim().to_owned()
        };
        fs::read_dir(tasks).unwrap().map(value).collect()
    }

    /// Ends the process, if it still lives, and answers its log.
    pub(super) fn obituary(&mut self) -> String {
        // A fault of the test: nobody may read the log of a living worker to its end.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        log
    }
}
