//! Slices of the ids: parts of a collection that are the same for whoever asks, and about equally large.
//!
//! A point is in the slice `SipHash-2-4(id) mod total`, with a key of zeros (Aumasson and Bernstein, "SipHash: a fast
//! short-input PRF", 2012) over the 8 bytes of a number, low ones first, or the 16 bytes of a UUID. What was written and
//! deleted in between moves no point to another slice, so several readers may take a slice each, and one slice of a
//! hundred is a sample that stays. The hash is the one that Qdrant slices by.

use crate::error::{Error, Result};
use crate::id::PointId;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// One of so many slices.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Which one, from 0.
    pub index: u32,
    /// Of how many.
    pub total: u32,
}

impl Slice {
    /// Whether there is such a slice.
    pub fn check(self) -> Result<()> {
        if self.index < self.total {
            return Ok(());
        }
        let limit = "slices are counted from 0, and there is at least one of them";
        Err(Error::invalid("slice", format!("{} of {}", self.index, self.total), limit))
    }

    /// Whether the id falls into it; into a slice that there is not nothing does.
    pub fn has(self, id: &PointId) -> bool {
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        match id {
            PointId::Num(number) => hasher.write(&number.to_le_bytes()),
            PointId::Uuid(uuid) => hasher.write(uuid.as_bytes()),
        }
        hasher.finish().checked_rem(self.total.into()) == Some(self.index.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn every_id_is_in_one_slice_and_slices_are_alike() {
        for total in [1, 2, 3, 7, 64] {
            let mut counts = vec![0u32; total as usize];
            for number in 0..20_000u64 {
                let ids = [PointId::Num(number), PointId::Uuid(Uuid::from_u128(u128::from(number) << 40))];
                for id in ids {
                    let of: Vec<u32> = (0..total).filter(|index| Slice { index: *index, total }.has(&id)).collect();
                    assert_eq!(of.len(), 1, "{id} of {total}");
                    counts[of[0] as usize] += 1;
                }
            }
            let expected = 40_000 / total;
            assert!(counts.iter().all(|count| count.abs_diff(expected) < expected / 5 + 1), "{counts:?}");
        }
    }

    /// The vectors that come with the paper have another key: these were computed by another implementation, which
    /// agrees with those.
    #[test]
    fn the_hash_is_the_one_that_others_slice_by() {
        let of = |id: PointId| (0..1000).find(|index| Slice { index: *index, total: 1000 }.has(&id)).unwrap();
        assert_eq!(SLICES, [PointId::Num(0), PointId::Num(1), PointId::Num(u64::MAX), uuid()].map(of));
    }

    #[test]
    fn a_slice_that_there_is_not_is_refused() {
        for (index, total) in [(0, 0), (1, 1), (7, 3)] {
            let slice = Slice { index, total };
            assert!(slice.check().unwrap_err().to_string().contains(&format!("slice is {index} of {total}")));
            assert!(total != 0 || !slice.has(&PointId::Num(1)));
        }
        assert!(Slice { index: 2, total: 3 }.check().is_ok());
    }

    fn uuid() -> PointId {
        PointId::Uuid("550e8400-e29b-41d4-a716-446655440000".parse().unwrap())
    }

    const SLICES: [u32; 4] = [119, 398, 430, 868];
}
