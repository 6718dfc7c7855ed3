//! How near two vectors are, and how that is told to a user.

use serde::{Deserialize, Serialize};

/// A measure of nearness. Inside, bigger is better for every one of them; a distance is turned round.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The cosine of the angle. A vector of length 0 scores 0 with everything.
    Cosine,
    /// The inner product.
    Dot,
    /// The Euclidean distance; inside, the negated square of it.
    Euclid,
    /// The sum of absolute differences; inside, negated.
    Manhattan,
}

impl Metric {
    /// The score as a user sees it: cosine and dot as they are, the others as distances.
    pub fn outward(self, score: f32) -> f32 {
        match self {
            Self::Cosine | Self::Dot => score,
            Self::Euclid => (-score).max(0.0).sqrt(),
            Self::Manhattan => (-score).max(0.0),
        }
    }

    /// A user's score or distance as it is compared inside.
    pub fn inward(self, shown: f32) -> f32 {
        match self {
            Self::Cosine | Self::Dot => shown,
            Self::Euclid => -(shown * shown),
            Self::Manhattan => -shown,
        }
    }

    /// Whether a user sees a distance, so that smaller is better.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::Euclid | Self::Manhattan)
    }
}
