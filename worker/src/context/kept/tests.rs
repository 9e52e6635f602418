use core_wire::ids::JobId;

use super::{Kept, Paused};
use crate::context::pool::Pool;

#[test]
fn only_the_named_job_gets_its_cells_back() {
    let mut pool = Pool::new(3);
    let mut kept = Kept::default();
    for (job, cells) in [(1, 10), (2, 20), (3, 30)] {
        kept.push(Paused { job: JobId(job), slot: pool.take().unwrap(), cells });
    }
    assert_eq!(kept.cells(), 60);
    assert!(kept.take(JobId(9)).is_none());
    assert_eq!(kept.take(JobId(2)).unwrap().cells, 20);
    assert!(kept.take(JobId(2)).is_none(), "once");
    assert_eq!(kept.oldest().unwrap().job, JobId(1));
    assert_eq!(kept.oldest().unwrap().job, JobId(3));
    assert!(kept.oldest().is_none());
    assert!(kept.is_empty());
}
