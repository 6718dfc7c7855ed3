//! From a text to its terms.

use crate::error::Result;

/// Reads texts of one field.
pub struct Analyzer {}

impl Analyzer {
    /// By name: "standard", or a language for stemming.
    pub fn new(_name: &str) -> Result<Self> {
        todo!()
    }

    /// Calls `see` with every term of the text, in order.
    pub fn each(&self, _text: &str, _see: &mut dyn FnMut(&str)) {
        todo!()
    }

    /// The terms of the text, in order.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.each(text, &mut |term| terms.push(term.to_owned()));
        terms
    }
}
