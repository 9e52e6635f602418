use super::*;

#[test]
fn names_are_unique_and_codes_come_back() {
    for (place, name) in layer::ALL.iter().enumerate() {
        assert_eq!(layer::ALL.iter().filter(|other| other.text == name.text).count(), 1);
        for achieved in [Achieved::Yes, Achieved::No, Achieved::Partial] {
            let row = Row::met(*name, How::Canary, achieved, "detail");
            assert_eq!(usize::from(row.code() >> 2), place);
            let told = Row::told(row.code()).expect("a code that was just made");
            assert_eq!((told.name, told.achieved), (name.text, achieved));
            assert_eq!(told.how, How::OwnWord);
        }
    }
}

#[test]
fn codes_without_meaning_are_refused() {
    assert_eq!(Row::told(3), None);
    assert_eq!(Row::told(u16::MAX), None);
    let beyond = u16::try_from(layer::ALL.len()).unwrap() << 2;
    assert_eq!(Row::told(beyond), None);
}

#[test]
fn better_evidence_wins_and_failure_is_not_painted_over() {
    let mut report = Report::default();
    report.merge([Row::yes(layer::NO_NEW_PRIVS, How::OwnWord, "")]);
    report.merge([Row::no(layer::NO_NEW_PRIVS, How::OutsideAtReady, "")]);
    report.merge([Row::yes(layer::NO_NEW_PRIVS, How::OwnWord, "")]);
    report.merge([Row::yes(layer::NO_NEW_PRIVS, How::OutsideAtReady, "")]);
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.missing_required().len(), 1);
}

#[test]
fn partial_counts_as_missing_and_degraded() {
    let mut report = Report::default();
    report.merge([
        Row::partial(layer::SEALS, How::Seal, ""),
        Row::partial(layer::MDWE, How::OwnWord, ""),
        Row::yes(layer::NS_NET, How::OutsideAtLocked, ""),
    ]);
    assert_eq!(report.missing_required()[0].name, "seals");
    assert_eq!(report.degraded(), ["mdwe"]);
}
