use super::Home;

#[test]
fn tokens_continue_on_the_same_file_or_the_same_vocabulary() {
    let home = |digest: u8, vocabulary| Home { digest: Some([digest; 32]), vocabulary };
    for (here, there, continues) in [
        (home(1, 5), home(1, 5), true),
        (home(1, 0), home(1, 0), true),
        (home(1, 5), home(2, 5), true),
        (home(1, 5), home(2, 6), false),
        (home(1, 0), home(2, 0), false),
        (Home::default(), home(2, 6), true),
    ] {
        assert_eq!(here.continues(there), continues, "{here:?} {there:?}");
    }
}
