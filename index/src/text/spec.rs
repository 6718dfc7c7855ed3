//! How a text field is read and scored.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A text field.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TextSpec {
    /// The name of the analyzer: "standard", or a language for stemming, with what else it does: "german+parts".
    pub analyzer: String,
    /// How soon a repeated word stops to count (Robertson & Zaragoza 2009, section 3).
    pub k1: f32,
    /// How much long texts are held against themselves, from 0 to 1.
    pub b: f32,
}

impl Default for TextSpec {
    fn default() -> Self {
        Self { analyzer: "standard".to_owned(), k1: 1.2, b: 0.75 }
    }
}

impl TextSpec {
    /// Whether the numbers can be served; the analyzer's name is checked where it is built.
    pub fn validate(&self, field: &str) -> Result<()> {
        if !(0.0..=100.0).contains(&self.k1) {
            return Err(Error::invalid(format!("texts.{field}.k1"), self.k1, "it is from 0 to 100"));
        }
        if !(0.0..=1.0).contains(&self.b) {
            return Err(Error::invalid(format!("texts.{field}.b"), self.b, "it is from 0 to 1"));
        }
        Ok(())
    }
}
