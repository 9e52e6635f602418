//! From an embedding for each token to one for the text.

use llama_cpp_2::model::LlamaModel;

/// Which tokens count, as the model file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// All alike; also where the file says nothing.
    Mean,
    /// The first.
    Cls,
    /// The last.
    Last,
    /// None: the model ranks texts, and embeds nothing.
    Rank,
}

impl Pooling {
    /// What the file of `model` says (`ARCHITECTURE.pooling_type` of the GGUF specification).
    pub(crate) fn of(model: &LlamaModel, architecture: &str) -> Self {
        let said = model.meta_val_str(&format!("{architecture}.pooling_type"));
        match said.as_deref() {
            Ok("2") => Self::Cls,
            Ok("3") => Self::Last,
            Ok("4") => Self::Rank,
            Ok(_) | Err(_) => Self::Mean,
        }
    }
}

/// The pooled embedding, while its tokens come.
#[derive(Debug)]
pub(crate) struct Pooled {
    pooling: Pooling,
    /// In double precision, so that a long text does not lose its later tokens.
    sum: Vec<f64>,
    count: usize,
}

impl Pooled {
    /// Nothing yet.
    pub(crate) fn new(pooling: Pooling) -> Self {
        Self { pooling, sum: Vec::new(), count: 0 }
    }

    /// Takes the next token's embedding in; all are as long as the first.
    pub(crate) fn add(&mut self, token: &[f32]) {
        let first = self.count == 0;
        self.count += 1;
        let of_token = token.iter().map(|&value| f64::from(value));
        match self.pooling {
            _ if first => self.sum = of_token.collect(),
            Pooling::Last => self.sum = of_token.collect(),
            Pooling::Cls | Pooling::Rank => {}
            Pooling::Mean => self.sum.iter_mut().zip(of_token).for_each(|(sum, v)| *sum += v),
        }
    }

    /// The embedding at length 1, so that the product of two is their likeness and the mean needs
    /// no division; `None` where a value is no number.
    pub(crate) fn finish(&self) -> Option<Vec<f32>> {
        let length = self.sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        if !length.is_finite() {
            return None;
        }
        let scale = if length > 0.0 { length.recip() } else { 0.0 };
        // Rounds to the nearest float; a unit vector has no value beyond 1.
        #[expect(clippy::cast_possible_truncation, reason = "at most 1")]
        let unit = |value: &f64| (value * scale) as f32;
        Some(self.sum.iter().map(unit).collect())
    }
}
