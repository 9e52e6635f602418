use super::*;

fn facts() -> ModelFacts {
    ModelFacts { n_vocab: 10, n_embd: 3, ..ModelFacts::default() }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn an_embedding_has_the_models_width_and_only_numbers() {
    let good = [0.6, 0.0, -0.8];
    assert_eq!(
        answer(Want::Floats, floats(&good), &facts()),
        Some(ToClient::Embedding(good.into()))
    );
    for bad in [
        &[0.6, 0.8][..],
        &[0.6, 0.8, 0.0, 0.0],
        &[f32::NAN, 0.0, 0.0],
        &[0.0, f32::INFINITY, 0.0],
        &[0.0, 0.0, f32::NEG_INFINITY],
        &[],
    ] {
        assert_eq!(answer(Want::Floats, floats(bad), &facts()), None, "{bad:?}");
    }
    let mut ragged = floats(&good);
    ragged.pop();
    assert_eq!(answer(Want::Floats, ragged, &facts()), None);
}

#[test]
fn tokens_are_of_the_vocabulary_and_texts_are_utf8() {
    let ids = |ids: &[u32]| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(answer(Want::Ids, ids(&[0, 9]), &facts()), Some(ToClient::Tokens(vec![0, 9])));
    assert_eq!(answer(Want::Ids, ids(&[10]), &facts()), None);
    assert_eq!(answer(Want::Ids, vec![1, 0, 0], &facts()), None);
    assert_eq!(answer(Want::Text, b"ab".into(), &facts()), Some(ToClient::Text("ab".into())));
    assert_eq!(answer(Want::Text, vec![0xff], &facts()), None);
}

#[test]
fn a_compiled_grammar_answers_nothing() {
    assert!(answer(Want::Nothing, Vec::new(), &facts()).is_some());
    assert_eq!(answer(Want::Nothing, b"x".into(), &facts()), None);
    assert_eq!(answer(Want::Tokens { max: 1, logprobs: None }, Vec::new(), &facts()), None);
}
