//! How many matching rows a scan looks at, those of the nearest cells first, for how much of the nearest: learned from rows of
//! the part itself.
//!
//! For each of a few shares of rows that match, the count that came to each of a few recalls, over several sets of rows that
//! stand together. Rows that match at random take a fifth of that, and those of some filters twice as many, so a filter's own
//! ease is measured (`vector/cells/ease`): of what must be looked at the logarithm of its share, as a multiple of what it was
//! for those sets. One number does for every recall: under forty filters of 100,000 passages the curves of rows lay upon each
//! other so, within a fifth.

use std::ops::RangeInclusive;

/// The shares of rows that match.
pub const SHARES: [f64; 5] = [1.0, 0.5, 0.2, 0.1, 0.05];

/// The recalls.
pub const RECALLS: [f32; 7] = [0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.998];

/// Neighbours that were looked for.
pub const NEIGHBOURS: usize = 10;

/// Numbers that lay down what is known.
pub const WORDS: usize = SHARES.len() * RECALLS.len();

/// More neighbours take so great a power of as many more rows: 0.2 to 0.28 under three filters of 100,000 passages, for
/// 10 to 300 neighbours.
pub const MORE: f64 = 1.0 / 3.0;

/// Of what may be missed, the share that may lie in cells that are not looked at; the rest is missed by rough estimates. Real filters
/// took 0.5 to 1.2 times as many rows as sets held back (three filters of 100,000 passages).
const MISSED: f32 = 0.5;

/// An ease is between these, whatever was seen.
const EASES: RangeInclusive<f32> = 0.25..=4.0;

/// What is known of a part that has cells.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// How many cells.
    pub cells: u32,
    /// For each share and recall the rows; 0 where nobody measured it.
    pub rows: [[u32; RECALLS.len()]; SHARES.len()],
}

impl Reach {
    /// From numbers as [`Self::to_words`] gives them.
    pub fn from_words(cells: u32, words: &[u32; WORDS]) -> Self {
        let mut rows = [[0; RECALLS.len()]; SHARES.len()];
        for (rows, words) in rows.iter_mut().zip(words.as_chunks::<{ RECALLS.len() }>().0) {
            *rows = *words;
        }
        Self { cells, rows }
    }

    /// What is expected of rows that come from parts, each with how many of them: of the shares of rows that match the mean of the
    /// parts, weighed by their rows, as many times as all rows take more or fewer, which was measured. `false`, and nothing else,
    /// where one of the parts knows nothing.
    pub fn expect(&mut self, parts: &[(u64, &Self)]) -> bool {
        let all = parts.iter().map(|(rows, _)| *rows as f64).sum::<f64>();
        let mean = |share: usize, recall: usize| {
            let sum = parts.iter().map(|(rows, part)| *rows as f64 * f64::from(part.rows[share][recall])).sum::<f64>();
            sum / all
        };
        let known = |share: usize| parts.iter().all(|(_, part)| part.rows[share].iter().all(|rows| *rows > 0));
        let shares = self.rows.len();
        if parts.is_empty() || !(0..shares).all(known) || self.rows[0].contains(&0) {
            return false;
        }
        for share in 1..shares {
            for recall in 0..RECALLS.len() {
                let times = f64::from(self.rows[0][recall]) / mean(0, recall);
                self.rows[share][recall] = (mean(share, recall) * times).round() as u32;
            }
        }
        true
    }

    /// As numbers, but for how many cells there are.
    pub fn to_words(self) -> Vec<u32> {
        self.rows.concat()
    }

    /// How many matching rows are looked at for a recall, where so many of so many match, with such an ease; `None` where all
    /// have to be.
    pub fn rows(&self, recall: f32, (matching, of): (u64, u64), k: usize, ease: impl FnOnce() -> f32) -> Option<u64> {
        let held = 1.0 - (1.0 - recall) * MISSED;
        let rows = self.of_sets(held, matching as f64 / of as f64)?;
        let rows = matching as f64 * (-beside(rows, matching) * f64::from(ease())).exp();
        let more = (k.max(NEIGHBOURS) as f64 / NEIGHBOURS as f64).powf(MORE);
        Some((rows * more).round().max(2.0 * k as f64) as u64).filter(|rows| *rows < matching)
    }

    /// The ease of a filter that leaves so many of so many rows, of which so many were seen to hold such shares of the nearest; 1
    /// where that tells nothing.
    pub fn ease(&self, (matching, of): (u64, u64), seen: &[(f32, f64)]) -> f32 {
        let as_sets = |(recall, rows): &(f32, f64)| {
            let of_sets = beside(self.of_sets(*recall, matching as f64 / of as f64)?, matching);
            (of_sets > 0.0).then(|| (beside(*rows, matching) / of_sets).max(f64::from(*EASES.start())).ln())
        };
        let known: Vec<f64> = seen.iter().filter_map(as_sets).collect();
        if known.is_empty() {
            return 1.0;
        }
        let mean = (known.iter().sum::<f64>() / known.len() as f64).exp();
        (mean as f32).clamp(*EASES.start(), *EASES.end())
    }

    /// How many rows of sets that stood together held such a share of the nearest, where such a share of all matched.
    fn of_sets(&self, held: f32, share: f64) -> Option<f64> {
        let above = SHARES.iter().rposition(|measured| *measured >= share * 0.999)?;
        let below = SHARES.iter().position(|measured| *measured <= share * 1.001).unwrap_or(above);
        let (upper, lower) = (along(&self.rows[above], held)?, along(&self.rows[below], held)?);
        let way = (SHARES[above] / share).ln() / (SHARES[above] / SHARES[below]).ln();
        let way = if way.is_finite() { way.clamp(0.0, 1.0) } else { 0.0 };
        Some((upper.ln() * (1.0 - way) + lower.ln() * way).exp())
    }
}

/// How far so many of the matching rows are from all of them: 0 for all, by the logarithm of their share.
fn beside(rows: f64, matching: u64) -> f64 {
    (matching as f64 / rows).ln().max(0.0)
}

/// Between two recalls that were measured: what is missing falls with a power of the rows.
fn along(rows: &[u32; RECALLS.len()], recall: f32) -> Option<f64> {
    let above = RECALLS.iter().position(|measured| *measured >= recall)?;
    if rows[above] == 0 {
        return None;
    }
    let to = f64::from(rows[above]);
    let Some(below) = above.checked_sub(1) else { return Some(to) };
    let missing = |recall: f32| f64::from(1.0 - recall).ln();
    let way = (missing(recall) - missing(RECALLS[below])) / (missing(RECALLS[above]) - missing(RECALLS[below]));
    let from = f64::from(rows[below].max(1));
    Some((from.ln() + way * (to.ln() - from.ln())).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach() -> Reach {
        let of = |more: u32| [500, 1_000, 2_000, 4_000, 9_000, 15_000, 25_000].map(|rows| rows * more);
        Reach { cells: 512, rows: [of(4), of(3), of(2), of(1), [0; RECALLS.len()]] }
    }

    #[test]
    fn more_recall_and_more_neighbours_take_more_rows() {
        let rows = |recall, k| reach().rows(recall, (100_000, 1_000_000), k, || 1.0).unwrap();
        let of_misses = |missed: f32| rows(1.0 - missed / MISSED, 10);
        assert!(of_misses(0.1).abs_diff(1_000) < 3 && of_misses(0.05).abs_diff(2_000) < 3);
        assert_eq!(rows(0.9, 1), rows(0.9, 10));
        assert!(rows(0.5, 10) == 500 && rows(0.9, 10) > 1_000 && rows(0.95, 10) > rows(0.93, 10));
        assert!(rows(0.9, 100) > 2 * rows(0.9, 10) && rows(0.6, 9_000) >= 18_000);
        assert_eq!(reach().rows(0.999, (100_000, 1_000_000), 10, || 1.0), None);
    }

    #[test]
    fn a_share_between_two_takes_what_lies_between() {
        let rows = |share: f64| reach().rows(1.0 - 0.05 / MISSED, ((share * 1e6) as u64, 1_000_000), 10, || 1.0);
        let about = |rows: Option<u64>, want: u64| rows.is_some_and(|rows| rows.abs_diff(want) <= 8);
        assert!(about(rows(1.0), 8_000) && about(rows(0.5), 6_000) && about(rows(0.2), 4_000));
        assert!(rows(0.7).is_some_and(|rows| (6_700..7_300).contains(&rows)));
        assert_eq!([rows(0.07), rows(0.05), rows(0.001)], [None; 3], "nobody measured it");
    }

    #[test]
    fn an_ease_moves_rows_between_few_and_all() {
        let of = (100_000, 1_000_000);
        let rows = |recall: f32, ease: f32| reach().rows(recall, of, 10, || ease);
        assert!(rows(0.9, 2.0) < rows(0.9, 1.0) && rows(0.9, 1.0) < rows(0.9, 0.5));
        assert!(rows(0.99, 0.25).is_none_or(|rows| rows < 100_000));
        // What was seen at one recall is expected at that recall, and as much more or less at the others.
        for seen in [300.0, 1_000.0, 5_000.0] {
            let ease = reach().ease(of, &[(0.9, seen)]);
            let expected = rows(1.0 - 0.1 / MISSED, ease).unwrap();
            assert!((expected as f64 / seen - 1.0).abs() < 0.01, "{expected} for {seen}");
        }
        assert!((reach().ease(of, &[(0.9, 1_000.0), (0.95, 2_000.0)]) - 1.0).abs() < 1e-3);
        assert_eq!(reach().ease(of, &[(0.9, 200_000.0)]), *EASES.start());
        assert_eq!(reach().ease(of, &[(0.9, 1e-9)]), *EASES.end());
        assert_eq!(reach().ease(of, &[]), 1.0);
        assert_eq!(reach().ease((100, 1_000_000), &[(0.9, 5.0)]), 1.0, "nobody measured sets of so few");
    }

    #[test]
    fn a_merged_part_is_expected_to_take_what_its_parts_took() {
        let of =
            |more: u32| Reach { cells: 512, rows: [4, 3, 2, 1, 1].map(|share| [share * more * 100; RECALLS.len()]) };
        let mut merged = Reach { cells: 700, ..Reach::default() };
        assert!(!merged.expect(&[(300, &of(1)), (700, &of(1))]), "all rows have to be measured");
        merged.rows[0] = [800; RECALLS.len()];
        assert!(!merged.expect(&[(300, &of(1)), (700, &reach())]), "one of them does not know all shares");
        assert!(merged.expect(&[(300, &of(2)), (700, &of(1))]));
        // 1.3 x 400 for all rows of the parts, and 800 now.
        assert_eq!(merged.rows.map(|rows| rows[2]), [800, 600, 400, 200, 200]);
    }

    #[test]
    fn it_comes_back_as_it_was_laid_down() {
        let words: [u32; WORDS] = reach().to_words().try_into().unwrap();
        assert_eq!(Reach::from_words(512, &words), reach());
    }
}
