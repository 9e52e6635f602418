//! How a step is shared: one token for everybody who decodes, the rest for prompts.

#[cfg(test)]
mod tests;

/// What one sequence could put into the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// The token that was chosen last.
    Decode,
    /// Tokens of its prompt, so many are left; at least one.
    Prefill(u32),
}

/// How many tokens of each sequence go into a step of at most `n_batch`.
///
/// Whoever decodes gets its token always: `n_batch` is no smaller than the number of slots. What is
/// left goes to prompts in equal shares, so that a short prompt does not wait for a long one; the
/// token that does not divide goes to another prompt in each `turn`.
pub(crate) fn share(wants: &[Want], n_batch: u32, turn: usize) -> Vec<u32> {
    let mut given = vec![0; wants.len()];
    let mut left = n_batch;
    let mut open: Vec<(usize, u32)> = Vec::new();
    for (index, want) in wants.iter().enumerate() {
        match *want {
            Want::Decode => {
                given[index] = left.min(1);
                left -= given[index];
            }
            Want::Prefill(rest) => open.push((index, rest)),
        }
    }
    if !open.is_empty() {
        let first = turn % open.len();
        open.rotate_left(first);
    }
    deal(&mut given, open, left);
    given
}

/// Deals `left` tokens out: each prompt gets an equal share of what is left when its turn comes,
/// and those that need least come first, so that what they do not need goes to the others.
fn deal(given: &mut [u32], mut open: Vec<(usize, u32)>, mut left: u32) {
    open.sort_by_key(|&(_, rest)| rest);
    let mut prompts = u32::try_from(open.len()).unwrap_or(u32::MAX);
    for (index, rest) in open {
        let slice = rest.min(left.div_ceil(prompts));
        given[index] = slice;
        left -= slice;
        prompts -= 1;
    }
}
