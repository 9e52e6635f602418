use super::{Want::*, share};

#[test]
fn whoever_decodes_always_gets_its_token() {
    assert_eq!(share(&[Decode, Prefill(100), Decode], 8, 0), [1, 6, 1]);
    assert_eq!(share(&[Decode, Decode], 2, 0), [1, 1]);
    assert_eq!(share(&[Prefill(9), Decode], 1, 0), [0, 1], "prompts wait first");
}

#[test]
fn prompts_share_what_is_left_equally() {
    assert_eq!(share(&[Prefill(100), Prefill(100)], 8, 0), [4, 4]);
    assert_eq!(share(&[Prefill(100), Prefill(2), Prefill(100)], 10, 0), [4, 2, 4]);
}

#[test]
fn what_a_short_prompt_does_not_need_goes_to_the_others() {
    assert_eq!(share(&[Prefill(1), Prefill(100)], 8, 0), [1, 7]);
    assert_eq!(share(&[Prefill(3)], 512, 0), [3]);
}

#[test]
fn nobody_starves_when_there_is_less_than_one_token_each() {
    let wants = [Prefill(50); 5];
    let mut got = [0; 5];
    for turn in 0..5 {
        let given = share(&wants, 2, turn);
        assert_eq!(given.iter().sum::<u32>(), 2);
        got.iter_mut().zip(given).for_each(|(sum, n)| *sum += n);
    }
    assert_eq!(got, [2; 5]);
}

#[test]
fn a_step_never_holds_more_than_its_bound_nor_more_than_is_wanted() {
    for n_batch in 1..20 {
        for turn in 0..4 {
            let wants = [Prefill(7), Decode, Prefill(1), Prefill(30), Decode];
            let given = share(&wants, n_batch, turn);
            assert!(given.iter().sum::<u32>() <= n_batch);
            assert!(given[0] <= 7 && given[1] <= 1 && given[2] <= 1 && given[3] <= 30);
            let full = n_batch.min(7 + 1 + 1 + 30 + 1);
            assert_eq!(given.iter().sum::<u32>(), full, "nothing is left over");
        }
    }
}

#[test]
fn an_idle_step_is_empty() {
    assert!(share(&[], 8, 3).is_empty());
}
