//! Placeholder of a wing.
