//! What a unit of work costs on a machine, so that counted work becomes time.

/// Microseconds of each kind of work. [`Machine::default`] holds medians of one core of a Zen 5 server;
/// whoever has a clock measures its own. Only the proportions matter to a plan.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Machine {
    /// To begin: to encode the query, to find an entry.
    pub begin_us: f64,
    /// To compare the next code of a list, besides its bytes.
    pub listed_us: f64,
    /// To compare one byte of a code.
    pub code_byte_us: f64,
    /// To look at the next gist of a list, besides its bytes.
    pub skimmed_us: f64,
    /// To compare a cell and to put it in its place among the others.
    pub cell_us: f64,
    /// To compare one number of a full vector.
    pub full_number_us: f64,
    /// What a distance of a walk costs beyond that of a list: it stands anywhere.
    pub scattered_us: f64,
    /// To expand a node: the walk waits for its links.
    pub expanded_us: f64,
    /// To compare one number of a centroid.
    pub centroid_number_us: f64,
    /// To compare one number of a vector in an inverted list.
    pub in_list_number_us: f64,
    /// To look behind the neighbours of a node that do not match.
    pub looked_behind_us: f64,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            begin_us: 3.0,
            listed_us: 0.008,
            code_byte_us: 0.000_035,
            skimmed_us: 0.003,
            cell_us: 0.01,
            full_number_us: 0.000_4,
            scattered_us: 0.02,
            expanded_us: 0.2,
            centroid_number_us: 0.000_01,
            in_list_number_us: 0.000_005,
            looked_behind_us: 2.5,
        }
    }
}
