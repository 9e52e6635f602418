use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use proptest::prelude::*;

use super::raw::index_of;
use super::seal::{self, Segment, SegmentError};
use super::*;

const DATA: usize = 4096;

fn segment(which: Segment) -> OwnedFd {
    seal::create(which, DATA).unwrap()
}

#[test]
fn a_copy_over_the_end_comes_back_in_one_piece() {
    let fd = segment(Segment::W);
    let (own, peer) = (Own::map(fd.as_fd(), DATA).unwrap(), Peer::map(fd.as_fd(), DATA).unwrap());
    for position in [0, DATA as u64 - 8, DATA as u64 - 24, 7 * DATA as u64 - 16, u64::MAX - 7] {
        let bytes: Vec<u8> = (0..64).map(|n| n ^ position.to_le_bytes()[0]).collect();
        own.copy_in(position, &bytes);
        let mut read = vec![0; 64];
        peer.copy_out(position, &mut read);
        assert_eq!(read, bytes, "at {position}");
        assert_eq!(peer.data(position), own.data(position));
    }
}

#[test]
fn control_words_are_shared_and_do_not_overlap_the_data() {
    let fd = segment(Segment::W);
    let (own, peer) = (Own::map(fd.as_fd(), DATA).unwrap(), Peer::map(fd.as_fd(), DATA).unwrap());
    let words =
        [Control::Tail, Control::Head, Control::DataWake, Control::SpaceWake, Control::Pulse];
    for (n, word) in (1..).zip(words) {
        own.set(word, n);
    }
    own.copy_in(0, &[0xff; DATA]);
    own.bump(Control::Pulse);
    own.release(Control::Tail, 77);
    let read: Vec<u64> = words.iter().map(|&word| peer.control(word)).collect();
    assert_eq!(read, [77, 2, 3, 4, 6]);
}

#[test]
fn the_right_seals_and_size_are_accepted() {
    for which in [Segment::B, Segment::W] {
        let fd = segment(which);
        seal::apply(which, &fd).unwrap();
        seal::verify(which, fd.as_fd(), DATA).unwrap();
    }
}

/// H07: whatever single seal is dropped, the assertion refuses.
#[test]
fn each_missing_seal_is_refused() {
    for which in [Segment::B, Segment::W] {
        for missing in which.seals().iter() {
            let fd = segment(which);
            fcntl(&fd, FcntlArg::F_ADD_SEALS(which.seals() - missing)).unwrap();
            let refused = seal::verify(which, fd.as_fd(), DATA).unwrap_err();
            assert!(matches!(refused, SegmentError::Seals { .. }), "{which} {missing:?}");
        }
    }
}

#[test]
fn a_seal_too_many_is_refused() {
    let fd = segment(Segment::W);
    fcntl(&fd, FcntlArg::F_ADD_SEALS(Segment::W.seals() | SealFlag::F_SEAL_WRITE)).unwrap();
    let refused = seal::verify(Segment::W, fd.as_fd(), DATA).unwrap_err();
    assert!(matches!(refused, SegmentError::Seals { .. }));
}

#[test]
fn another_size_is_refused() {
    let fd = segment(Segment::W);
    seal::apply(Segment::W, &fd).unwrap();
    for bytes in [DATA / 2, DATA * 2] {
        let refused = seal::verify(Segment::W, fd.as_fd(), bytes).unwrap_err();
        assert!(matches!(refused, SegmentError::Size { .. }));
    }
}

#[test]
fn a_size_that_cannot_be_masked_is_not_mapped() {
    let fd = segment(Segment::W);
    assert_eq!(Peer::map(fd.as_fd(), 3000).unwrap_err(), Errno::EINVAL);
    assert_eq!(Peer::map(fd.as_fd(), 0).unwrap_err(), Errno::EINVAL);
}

proptest! {
    #[test]
    fn every_position_masks_into_the_data(position: u64, order in 0_u32..28) {
        let words = 1_usize << order;
        prop_assert!(index_of(position, words) < words);
    }
}
