use super::pooling::{Pooled, Pooling};

const TOKENS: [[f32; 2]; 3] = [[3.0, 0.0], [0.0, 2.0], [0.0, 2.0]];

fn pooled(pooling: Pooling, tokens: &[[f32; 2]]) -> Option<Vec<f32>> {
    let mut pooled = Pooled::new(pooling);
    tokens.iter().for_each(|token| pooled.add(token));
    pooled.finish()
}

#[test]
fn each_pooling_counts_its_tokens_and_gives_length_one() {
    assert_eq!(pooled(Pooling::Mean, &TOKENS), Some(vec![0.6, 0.8]));
    assert_eq!(pooled(Pooling::Cls, &TOKENS), Some(vec![1.0, 0.0]));
    assert_eq!(pooled(Pooling::Last, &TOKENS), Some(vec![0.0, 1.0]));
}

#[test]
fn zeros_stay_zeros_and_what_is_no_number_is_no_embedding() {
    assert_eq!(pooled(Pooling::Mean, &[[0.0, 0.0]]), Some(vec![0.0, 0.0]));
    assert_eq!(pooled(Pooling::Mean, &[[f32::NAN, 0.0]]), None);
    assert_eq!(pooled(Pooling::Last, &[[f32::INFINITY, 0.0]]), None);
}
