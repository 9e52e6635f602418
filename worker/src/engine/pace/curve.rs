//! The cost of a token over its depth: a line through what was measured lately.

/// What an older measurement weighs when a new one comes: some ten of them count, a span in which
/// a prompt moves on by a few hundred to a few thousand tokens.
const KEEP: f64 = 0.9;

/// The least spread of depths, in tokens, from which a slope is read; below it noise would be.
const SPREAD_MIN: f64 = 64.0;

/// The least share of the average cost that is believed far away from what was measured.
const FLOOR: f64 = 0.25;

/// Sums of a weighted linear regression of cost over depth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Curve {
    weight: f64,
    depth: f64,
    cost: f64,
    depth_depth: f64,
    depth_cost: f64,
}

impl Curve {
    /// Takes a measurement in.
    pub(super) fn learn(&mut self, depth: f64, cost: f64) {
        let keep = |old: f64, new: f64| old.mul_add(KEEP, new);
        self.weight = keep(self.weight, 1.0);
        self.depth = keep(self.depth, depth);
        self.cost = keep(self.cost, cost);
        self.depth_depth = keep(self.depth_depth, depth * depth);
        self.depth_cost = keep(self.depth_cost, depth * cost);
    }

    /// The cost at `depth`; `None` before anything was measured.
    pub(super) fn at(&self, depth: f64) -> Option<f64> {
        if self.weight == 0.0 {
            return None;
        }
        let (mean_depth, mean_cost) = (self.depth / self.weight, self.cost / self.weight);
        let variance = self.depth_depth / self.weight - mean_depth * mean_depth;
        let covariance = self.depth_cost / self.weight - mean_depth * mean_cost;
        let slope = match variance > SPREAD_MIN * SPREAD_MIN {
            // Deeper is never cheaper; noise may say so.
            true => (covariance / variance).max(0.0),
            false => 0.0,
        };
        Some((mean_cost + slope * (depth - mean_depth)).max(mean_cost * FLOOR).max(1.0))
    }
}
