use super::*;

/// Lines of so many complaints at one moment.
fn told(complaints: &Complaints, now: Instant, count: u32) -> u32 {
    let lines = Cell::new(0);
    (0..count).for_each(|_| complaints.note(now, || lines.set(lines.get() + 1)));
    lines.get()
}

#[test]
fn a_flood_is_some_lines_a_second() {
    let complaints = Complaints::default();
    let now = Instant::now();
    assert_eq!(told(&complaints, now, LINES_MAX), LINES_MAX);
    assert_eq!(told(&complaints, now + WINDOW / 2, 5000), 0);
    assert_eq!(complaints.left_out.get(), 5000);
    assert_eq!(told(&complaints, now + 2 * WINDOW, 1), 1);
    assert_eq!(complaints.left_out.get(), 0, "they were counted in one line");
}
