//! How a vector is stored: as it was given, or as a code that is cheaper to compare.

pub(super) mod full;
pub(super) mod lvq;
pub(super) mod scalar;
