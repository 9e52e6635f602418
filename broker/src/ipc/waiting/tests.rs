use super::{WAITING_MAX, WaitingRoom};

fn uids(room: &WaitingRoom) -> Vec<u32> {
    room.0.borrow().chairs.iter().map(|chair| chair.uid).collect()
}

#[test]
fn leaving_frees_the_place() {
    let room = WaitingRoom::default();
    let tickets: Vec<_> = (0..3).map(|uid| room.enter(uid)).collect();
    assert_eq!(uids(&room), [0, 1, 2]);
    drop(tickets);
    assert!(uids(&room).is_empty());
}

#[test]
fn a_user_with_many_connections_loses_its_own_oldest() {
    let room = WaitingRoom::default();
    let first = room.enter(7);
    let many: Vec<_> = (0..1000).map(|_| room.enter(1)).collect();
    let last = room.enter(8);
    let now = uids(&room);
    assert_eq!(now.len(), WAITING_MAX);
    assert!(now.contains(&7) && now.contains(&8), "{now:?}");
    assert_eq!(many.last().map(|ticket| ticket.serial), Some(1000));
    drop((first, last));
}

#[test]
fn the_silent_go_before_those_who_spoke() {
    let room = WaitingRoom::default();
    let speaker = room.enter(1);
    speaker.spoke();
    let silent: Vec<_> = (0..1000).map(|_| room.enter(1)).collect();
    let still = room.0.borrow().chairs.iter().any(|chair| chair.serial == speaker.serial());
    assert!(still, "a thousand silent connections pushed out one that spoke");
    drop(silent);
    let speakers: Vec<_> = (0..WAITING_MAX)
        .map(|_| {
            let ticket = room.enter(1);
            ticket.spoke();
            ticket
        })
        .collect();
    assert_eq!(uids(&room).len(), WAITING_MAX, "room is made when all have spoken as well");
    drop(speakers);
}

#[tokio::test(flavor = "current_thread")]
async fn whose_place_is_taken_is_ended() {
    let room = WaitingRoom::default();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let oldest = room.enter(1);
            let serial = oldest.serial();
            let task = tokio::task::spawn_local(async move {
                let _held = oldest;
                std::future::pending::<()>().await;
            });
            room.occupy(serial, task.abort_handle());
            let _others: Vec<_> = (0..WAITING_MAX).map(|_| room.enter(1)).collect();
            assert!(task.await.is_err_and(|ended| ended.is_cancelled()));
            assert_eq!(uids(&room).len(), WAITING_MAX);
        })
        .await;
}
