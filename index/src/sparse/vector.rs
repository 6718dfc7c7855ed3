//! A sparse vector.

use crate::error::{Error, Result};

/// A sparse vector holds at most this many numbers.
pub const NUMBERS_MAX: usize = 65_536;

/// The numbers of a vector that are held, by their indices; all others are zero.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SparseVector {
    /// Rising.
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseVector {
    /// From indices in any order, each once, and the number of each.
    pub fn new(indices: Vec<u32>, values: Vec<f32>) -> Result<Self> {
        if indices.len() != values.len() {
            let value = format!("{} indices and {} values", indices.len(), values.len());
            return Err(Error::invalid("sparse vector", value, "every index has one value"));
        }
        if indices.len() > NUMBERS_MAX {
            return Err(Error::invalid("sparse vector", format!("{} numbers long", indices.len()), {
                format!("it holds at most {NUMBERS_MAX}")
            }));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(format!("values[{at}]"), values[at], "every number is finite"));
        }
        if indices.is_sorted_by(|a, b| a < b) {
            return Ok(Self { indices, values });
        }
        let mut pairs: Vec<(u32, f32)> = indices.into_iter().zip(values).collect();
        pairs.sort_unstable_by_key(|pair| pair.0);
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(Error::invalid("indices", format!("{} twice", twice[0].0), "an index stands once"));
        }
        let (indices, values) = pairs.into_iter().unzip();
        Ok(Self { indices, values })
    }

    /// The indices, rising.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The number of each index.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Both, by index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.indices.iter().copied().zip(self.values.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(indices: &[u32], values: &[f32], expected: &str) {
        let err = SparseVector::new(indices.to_vec(), values.to_vec()).unwrap_err();
        assert_eq!(err.to_string(), expected);
    }

    #[test]
    fn indices_come_back_in_order() {
        let vector = SparseVector::new(vec![7, 0, u32::MAX], vec![0.7, -1.0, 3.0]).unwrap();
        assert_eq!(vector.iter().collect::<Vec<_>>(), [(0, -1.0), (7, 0.7), (u32::MAX, 3.0)]);
        assert_eq!(SparseVector::new(vec![], vec![]).unwrap(), SparseVector::default());
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        refused(&[1, 2], &[1.0], "sparse vector is 2 indices and 1 values; every index has one value");
        refused(&[3, 1, 3], &[1.0, 2.0, 3.0], "indices is 3 twice; an index stands once");
        refused(&[3, 3], &[1.0, 2.0], "indices is 3 twice; an index stands once");
        refused(&[1], &[f32::NAN], "values[0] is NaN; every number is finite");
    }
}
