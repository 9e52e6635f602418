use llama_cpp_2::token::LlamaToken;

use super::{Tokens, common, overwrite};

fn list(ids: &[i32]) -> Vec<LlamaToken> {
    ids.iter().map(|&id| LlamaToken::new(id)).collect()
}

#[test]
fn a_list_grows_and_is_cut() {
    let mut tokens = Tokens::from(list(&[1, 2]));
    for id in 3..300 {
        tokens.push(LlamaToken::new(id));
    }
    assert_eq!(tokens.len(), 299);
    tokens.cut(3);
    assert_eq!(tokens[..], list(&[1, 2, 3])[..]);
    tokens.cut(9);
    assert_eq!(tokens.len(), 3, "a cut adds nothing");
    assert_eq!(format!("{tokens:?}"), "3 tokens");
}

#[test]
fn what_is_overwritten_is_zero() {
    let mut tokens = list(&[7, 8, 9]);
    overwrite(&mut tokens[1..]);
    assert_eq!(tokens, list(&[7, 0, 0]));
}

#[test]
fn two_lists_have_their_beginning_in_common() {
    assert_eq!(common(&list(&[1, 2, 3]), &list(&[1, 2, 4])), 2);
    assert_eq!(common(&list(&[1]), &list(&[1, 2])), 1);
    assert_eq!(common(&list(&[2, 1]), &list(&[1, 2])), 0);
    assert_eq!(common(&[], &[]), 0);
}
