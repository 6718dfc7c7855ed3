//! Rankings that do not say the same thing twice.

/// Maximal marginal relevance (Carbonell & Goldstein 1998): of the candidates, which are given best first by their
/// relevance, the places of up to `wanted`. The best comes first; then always the one with the greatest
/// `(1 - diversity) * relevance - diversity * similarity to the likest chosen one`, the earlier of equal ones.
///
/// `likeness` tells how similar a chosen candidate is to each of them, in their order; it is asked once for each that
/// is chosen. 0 is no diversity, 1 nothing but that.
pub fn diverse<E>(
    relevance: &[f32],
    wanted: usize,
    diversity: f32,
    mut likeness: impl FnMut(usize) -> Result<Vec<f32>, E>,
) -> Result<Vec<usize>, E> {
    let mut left: Vec<usize> = (0..relevance.len()).collect();
    let mut likest = vec![f32::NEG_INFINITY; relevance.len()];
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted.min(relevance.len()));
    while chosen.len() < wanted && !left.is_empty() {
        let worth = |at: usize| {
            let against = if chosen.is_empty() || diversity == 0.0 { 0.0 } else { diversity * likest[at] };
            let own = if diversity == 1.0 && !chosen.is_empty() { 0.0 } else { (1.0 - diversity) * relevance[at] };
            // Both may be endless where numbers overflow: that is no reason to be chosen.
            let worth = own - against;
            if worth.is_nan() { f32::NEG_INFINITY } else { worth }
        };
        let mut best = 0;
        if !chosen.is_empty() {
            for at in 1..left.len() {
                if worth(left[at]).total_cmp(&worth(left[best])).is_gt() {
                    best = at;
                }
            }
        }
        let next = left.remove(best);
        chosen.push(next);
        if chosen.len() < wanted && !left.is_empty() {
            for (likest, similarity) in likest.iter_mut().zip(likeness(next)?) {
                *likest = likest.max(similarity);
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Candidates are places on a line; the nearer, the more alike.
    fn check(places: &[f32], wanted: usize, diversity: f32, expected: &[usize]) {
        let relevance: Vec<f32> = places.iter().map(|place| -place.abs()).collect();
        let alike = |one: usize| Ok::<_, ()>(places.iter().map(|place| -(place - places[one]).abs()).collect());
        assert_eq!(diverse(&relevance, wanted, diversity, alike).unwrap(), expected);
    }

    #[test]
    fn without_diversity_relevance_decides() {
        check(&[0.1, 0.2, 0.3, -0.4], 3, 0.0, &[0, 1, 2]);
    }

    #[test]
    fn what_is_like_the_chosen_comes_later() {
        check(&[0.1, 0.2, 0.3, -0.4], 3, 0.6, &[0, 3, 2]);
        check(&[0.1, 0.2, 0.3, -0.4], 4, 1.0, &[0, 3, 2, 1]);
    }

    #[test]
    fn there_may_be_too_few() {
        check(&[], 3, 0.5, &[]);
        check(&[1.0], 3, 0.5, &[0]);
        check(&[1.0, 2.0], 0, 0.5, &[]);
    }

    #[test]
    fn endless_numbers_end() {
        let endless = |_| Ok::<_, ()>(vec![f32::NEG_INFINITY; 3]);
        assert_eq!(diverse(&[1.0, f32::NEG_INFINITY, 0.0], 3, 0.5, endless).unwrap().len(), 3);
    }
}
