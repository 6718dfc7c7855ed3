//! Which way one vector search of one part goes: weighed by cost, from numbers alone.

use crate::params::{Outline, Plan, Route, SearchParams};

/// Effort where nothing was asked for and nothing was calibrated.
const EFFORT_DEFAULT: u32 = 128;

/// Microseconds to compare one number of a code.
const CODED_NUMBER_US: f64 = 0.000_05;

/// The plan for the `k` nearest of `matching` rows.
pub fn plan(outline: &Outline, matching: u64, k: usize, params: &SearchParams) -> Plan {
    if matching == 0 {
        return Plan { route: Route::Empty, ef: 0, considered: vec![(Route::Empty, 0.0)] };
    }
    let exact = matching as f64 * f64::from(outline.size) * CODED_NUMBER_US;
    if outline.links == 0 || params.exact || matching < 10_000 {
        return Plan { route: Route::Exact, ef: 0, considered: vec![(Route::Exact, exact)] };
    }
    let ef = params.ef.unwrap_or(EFFORT_DEFAULT).max(k as u32);
    Plan { route: Route::Graph, ef, considered: vec![(Route::Exact, exact)] }
}
