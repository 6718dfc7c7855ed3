//! The vectors of a sealed part: three bodies that never change, searched by graph, by lists or by scan.
//!
//! ```text
//! full    the vectors as they were given (quant/full)
//! codes   the vectors as the graph compares them (quant/scalar), or as lists hold them (ivf/lists)
//! route   the graph (hnsw/graph) with the cells of scans (cells), or the lists (ivf/lists)
//! ```
//!
//! A small part has neither graph nor lists, and no section in the last two.

use crate::bitmap::Bitmap;
use crate::effort::LADDER;
use crate::error::{Error, Result};
use crate::layout::{Body, Sections, SectionsWriter};
use crate::params::{Found, Outline, Plan, Route, Standing, Work};
use crate::row::{Hit, Row, TopK};
use crate::selection::Selection;
use crate::vector::calibrate::{Before, Trace, Trial, calibrate};
use crate::vector::cells::{Cells, Grouped};
use crate::vector::flat::{self, Trust};
use crate::vector::hnsw::build::{Layers, Order};
use crate::vector::hnsw::graph::{Finished, Graph};
use crate::vector::hnsw::known::{Known, Source};
use crate::vector::hnsw::pool::{PLACES_MAX, Scratch};
use crate::vector::hnsw::search::{Asked, Calm, Extent, Ground, descend};
use crate::vector::ivf::{self, Lists};
use crate::vector::metric::Metric;
use crate::vector::nearest::Nearest;
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes, Leading};
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// A part with fewer vectors has no graph: a scan is as fast.
const GRAPH_ROWS_MIN: u64 = 2_000;

/// A walk through matching nodes starts from this many of them, spread over the part.
const SPREAD_ENTRIES: usize = 16;

/// Longer vectors have no graph: the basis that turns them would take more memory than the vectors of many a part.
const GRAPH_SIZE_MAX: u32 = 4096;

/// Where fewer of all pairs of rows come from one graph, the graph is built anew.
const KNOWN_SHARE_MIN: f64 = 0.3;

/// Full vectors that are asked for at a time, ahead of their comparison.
const ASKED: usize = 8;

/// The vectors of one field in one sealed part.
#[derive(Debug)]
pub struct SealedVectors {
    full: Full,
    index: Option<Index>,
    lists: Option<Lists>,
}

/// What there is besides the vectors themselves.
#[derive(Debug)]
struct Index {
    codes: Codes,
    graph: Graph,
    /// The codes of the highest level once more, side by side.
    tops: Leading,
    /// What scans that may miss some look at first, where they take a rough look at all.
    cells: Option<Cells>,
}

impl Index {
    fn open(spec: &VectorSpec, full: &Full, codes: &Sections, route: &Sections) -> Result<Self> {
        let codes = Codes::open(spec.metric, spec.size, full.rows(), codes)?;
        let graph = Graph::open(full.rows(), full.present(), route)?;
        let cells = if codes.have_means() { Some(Cells::open(full, &codes, route)?) } else { None };
        let tops = codes.leading(graph.tops());
        Ok(Self { codes, graph, tops, cells })
    }

    fn memory_bytes(&self) -> u64 {
        self.codes.memory_bytes() + self.graph.memory_bytes() + self.cells.as_ref().map_or(0, Cells::memory_bytes)
    }
}

/// What estimated rows are compared for.
struct Sought<'a> {
    query: Query<'a>,
    coded: &'a Coded,
    k: usize,
    deviations: f32,
}

/// A part that others go on from.
#[derive(Copy, Clone, Debug)]
pub struct Extended<'a> {
    /// Its vectors; `None` where it has no graph to go on from.
    pub part: Option<&'a SealedVectors>,
    /// The rows of it that go on, rising.
    pub rows: &'a [Row],
}

/// How a graph or lists are built.
#[derive(Debug)]
pub struct BuildParams<'a> {
    /// Threads to build with; they change no byte of what comes out.
    pub threads: usize,
    /// Set when the build is to be given up.
    pub stop: &'a AtomicBool,
    /// Memory that a build may take beside what comes out. Of lists: a few bytes a row and the centroids come on top
    /// (`ivf/build`); less of it means a smaller sample and more passes. Of a graph: codes, groups and chosen links come
    /// on top; less of it means more passes, and the same bytes.
    pub budget_bytes: u64,
    /// What each of the threads does first.
    pub begin: fn(),
}

impl<'a> BuildParams<'a> {
    /// With so many threads, and the default budget of memory.
    pub fn new(threads: usize, stop: &'a AtomicBool) -> Self {
        Self { threads, stop, budget_bytes: 256 << 20, begin: || {} }
    }
}

/// The finished bodies of a build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The body of codes.
    pub codes: Vec<u8>,
    /// The body of the graph or the lists.
    pub route: Vec<u8>,
}

impl SealedVectors {
    /// Lays down the vectors as they were given. `vector` is asked for every row once, rising.
    pub fn write_full<'v, W: Write>(
        spec: &VectorSpec,
        rows: u32,
        vector: &mut dyn FnMut(Row) -> Option<Cow<'v, [f32]>>,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        Full::write(spec, rows, vector, out)
    }

    /// Builds the codes and the graph, or the lists, over the body that [`Self::write_full`] laid down. `None` when
    /// it was stopped. The same bytes for any number of threads.
    pub fn build(spec: &VectorSpec, rows: u32, full: &Bytes, how: &BuildParams<'_>) -> Result<Option<Built>> {
        Self::extend(spec, rows, full, &[], how)
    }

    /// As [`Self::build`], of rows that come from other parts, in the order of their rows: what their graphs know is
    /// taken over where that takes less time than finding it anew.
    pub fn extend<'a>(
        spec: &VectorSpec,
        rows: u32,
        full: &Bytes,
        from: &[Extended<'a>],
        how: &BuildParams<'_>,
    ) -> Result<Option<Built>> {
        let read = Full::open(spec, rows, full.clone())?;
        let too_long = spec.ivf.is_none() && spec.metric != Metric::Manhattan && spec.size > GRAPH_SIZE_MAX;
        if read.count() < GRAPH_ROWS_MIN || rows >= PLACES_MAX || too_long {
            return Ok(Some(Built { codes: empty_body(), route: empty_body() }));
        }
        let begin = how.begin;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(how.threads.max(1))
            .thread_name(|_| "nigh build".into())
            .start_handler(move |_| begin())
            .build()
            .map_err(|err| Error::invalid("threads", how.threads, err.to_string()))?;
        let source =
            |from: &Extended<'a>| Source { graph: from.part.and_then(|part| part.graph(spec)), rows: from.rows };
        match spec.ivf {
            None => {
                let sources: Vec<Source<'_>> = from.iter().map(source).collect();
                pool.install(|| Self::build_here(spec, (&read, full), from, &sources, how))
            }
            Some(ivf) => {
                let bodies = pool.install(|| ivf::build(spec, ivf, &read, how.budget_bytes, how.stop))?;
                Ok(bodies.map(|(codes, route)| Built { codes, route }))
            }
        }
    }

    /// The graph, where it has the shape that is asked for.
    fn graph(&self, spec: &VectorSpec) -> Option<&Graph> {
        self.index.as_ref().map(|index| &index.graph).filter(|graph| graph.fits(spec.hnsw))
    }

    fn build_here(
        spec: &VectorSpec,
        (read, full): (&Full, &Bytes),
        from: &[Extended<'_>],
        sources: &[Source<'_>],
        how: &BuildParams<'_>,
    ) -> Result<Option<Built>> {
        let rows = read.rows();
        let order = Order::of((0..rows).filter(|row| read.has(Row(*row))), spec.hnsw.m);
        let (codes, drafts) = Codes::encode(read, spec.metric, &order.rows, Self::most_codes(from));
        let cells = codes.have_means().then(|| Grouped::of(&codes, &drafts, &order.rows, how.stop));
        if let Some(None) = cells {
            return Ok(None);
        }
        let cells = cells.flatten();
        let known = Known::of(sources, &order.rows).filter(|known| known.share() >= KNOWN_SHARE_MIN);
        let layers = Layers::build(&drafts, &order, spec.hnsw, known.as_ref(), how.budget_bytes / 4, how.stop);
        let Some(layers) = layers else { return Ok(None) };
        drop((drafts, known));
        let codes = Bytes::from(codes.to_body(&order.rows, rows));
        let (links, width) = (layers.base_by_row(&order, rows), layers.width());
        let upper = layers.into_upper();
        let finished = Finished {
            rows,
            links: &links,
            width,
            order: order.above(),
            tops: order.tops(),
            upper: &upper,
            m: spec.hnsw.m as usize,
            cells: cells.as_ref(),
        };
        let route = Bytes::from(finished.to_body());
        drop((links, upper, cells));
        let opened = Self::open(spec, rows, full.clone(), codes.clone(), route.clone())?;
        if how.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (efforts, reach) = calibrate(&opened, &order.rows[order.above().len()..], &Self::before(from));
        drop(opened);
        // Nobody else holds the bodies any more: they are not copied.
        let mut built = Built { codes: codes.into(), route: route.into() };
        Graph::set_efforts(&mut built.route, &efforts);
        if let Some(reach) = reach {
            Cells::set_reach(&mut built.route, reach);
        }
        Ok(Some(built))
    }

    /// The codes of the part that most rows come from.
    fn most_codes<'a>(from: &[Extended<'a>]) -> Option<&'a Codes> {
        let most = from.iter().max_by_key(|from| from.rows.len())?;
        most.part.and_then(|part| part.index.as_ref()).map(|index| &index.codes)
    }

    /// What is known of the parts that others go on from.
    fn before<'a>(from: &[Extended<'a>]) -> Before<'a> {
        let mut before = Before::default();
        for from in from {
            let rows = from.rows.len() as u64;
            let index = from.part.and_then(|part| part.index.as_ref());
            before.efforts.extend(index.map(|index| (rows, index.graph.efforts())));
            before.reach.extend(index.and_then(|index| index.cells.as_ref()).map(|cells| (rows, cells.reach())));
        }
        if before.reach.len() < from.len() {
            before.reach.clear();
        }
        before
    }

    /// Opens the three bodies and checks all that a search relies on.
    ///
    /// What `full` is guarded by is touched as searches come to it: see [`crate::sums`].
    pub fn open(spec: &VectorSpec, rows: u32, full: impl Into<Body>, codes: Bytes, route: Bytes) -> Result<Self> {
        let full = Full::open(spec, rows, full)?;
        let (codes, route) = (Sections::open(codes)?, Sections::open(route)?);
        if Lists::are_in(&route) {
            let lists = Lists::open(spec, &full, &codes, &route)?;
            return Ok(Self { full, index: None, lists: Some(lists) });
        }
        let index = match (codes.has("head"), route.has("head")) {
            (false, false) => None,
            (true, true) => Some(Index::open(spec, &full, &codes, &route)?),
            _ => return Err(Error::corrupt("head", 0, "of codes and graph one is there and one is not")),
        };
        Ok(Self { full, index, lists: None })
    }

    /// Bytes that are held in memory beside the mapped bodies.
    pub fn resident_bytes(&self) -> u64 {
        let present = self.full.present().map_or(0, |present| present.memory_bytes() as u64);
        let graph = self.index.as_ref().map_or(0, Index::memory_bytes);
        present + graph + self.lists.as_ref().map_or(0, Lists::memory_bytes)
    }

    /// Rows of the part.
    pub(super) fn rows(&self) -> u32 {
        self.full.rows()
    }

    /// The cells.
    pub(super) fn cells(&self) -> Option<&Cells> {
        self.index.as_ref().and_then(|index| index.cells.as_ref())
    }

    /// So many rows of the cells nearest to a vector.
    pub(super) fn near_cells(&self, values: &[f32], count: usize) -> Vec<u32> {
        let Some((index, cells)) = self.index.as_ref().zip(self.cells()) else { return Vec::new() };
        let (mut coded, mut rows) = (Coded::default(), Vec::new());
        index.codes.encode_query(Query::new(values), false, &mut coded);
        cells.nearest_rows((&index.codes, &mut coded), None, count, &mut Vec::new(), &mut rows);
        rows.truncate(count);
        rows
    }

    /// For each cell, how many rows are in cells that are nearer to a vector, of as many in each as `counts` says.
    pub(super) fn rows_before(&self, values: &[f32], counts: &[u32]) -> Vec<u32> {
        let Some((index, cells)) = self.index.as_ref().zip(self.cells()) else { return Vec::new() };
        let mut coded = Coded::default();
        index.codes.encode_query(Query::new(values), false, &mut coded);
        cells.rows_before(&index.codes, &mut coded, counts)
    }

    /// A row's vector.
    pub(super) fn values(&self, row: Row) -> Vec<f32> {
        self.full.vector(row).into_owned()
    }

    /// The nearest, by comparing every row.
    pub(super) fn exact(&self, query: &[f32], k: usize, allowed: Option<&Selection>) -> Found {
        self.scan(query, k, allowed, Trust::Bounds, 0)
    }

    /// The nearest, next to nothing missed, by looking at every code.
    pub(super) fn nearly(&self, query: &[f32], k: usize, allowed: Option<&Selection>) -> Found {
        self.scan(query, k, allowed, Trust::to_miss(None), 0)
    }

    /// The nearest, by looking at so many codes of the nearest cells, or at every code where the number is 0.
    fn scan(&self, query: &[f32], k: usize, allowed: Option<&Selection>, trust: Trust, rows: u32) -> Found {
        match &self.index {
            Some(index) => {
                let cells = index.cells.as_ref().filter(|_| rows > 0).map(|cells| (cells, rows as usize));
                flat::nearest_by_codes(&self.full, (&index.codes, cells), query, k, allowed, trust)
            }
            None => flat::nearest(&self.full, query, k, allowed.map(Selection::rows)),
        }
    }

    /// What was found, or, where that was not enough, what comparing everything finds.
    fn or_exact(tried: (Option<Found>, Work), all: impl Fn() -> Found) -> Found {
        match tried {
            (Some(found), _) if !found.hits.is_empty() => found,
            (Some(_), _) => Found::nothing(),
            (None, in_vain) => {
                let mut found = all();
                found.work += in_vain;
                found
            }
        }
    }

    /// Walks the graph. `None`, with the work in vain, where too few hits were found or too much was spent.
    fn by_graph(
        &self,
        index: &Index,
        query: &[f32],
        k: usize,
        allowed: Option<&Selection>,
        plan: &Plan,
    ) -> (Option<Found>, Work) {
        let mut work = Work::default();
        let query = Query::new(query);
        let ef = (plan.ef as usize).max(k);
        let matching = self.matching(allowed);
        let near = Scratch::lend(|scratch| {
            let mut coded = std::mem::take(&mut scratch.coded);
            index.codes.encode_query(query, false, &mut coded);
            let entries = self.entries(index, &mut coded, allowed, plan.route, scratch, &mut work);
            let target = Asked { codes: &index.codes, query: &mut coded };
            let mut ground = Ground { base: index.graph.base(), target };
            let in_budget = match allowed.map(Selection::bits) {
                None => {
                    ground.walk(&entries, Extent::of(ef, k), scratch, &mut work);
                    true
                }
                Some(bits) => {
                    let budget = budget(matching, ef);
                    if plan.route == Route::GraphFiltered {
                        ground.walk_matching(&entries, ef, budget, bits, scratch, &mut work)
                    } else {
                        ground.walk_passing(&entries, ef, budget, |place| bits.has(Row(place)), scratch, &mut work)
                    }
                }
            };
            let found = (scratch.pool.len() as u64 >= matching.min(k as u64) && in_budget).then(|| {
                let near = scratch.pool.hits().map(|(key, row)| (f32::from_bits(key), row));
                self.compared(index, &Sought { query, coded: &coded, k, deviations: deviations(ef) }, near, &mut work)
            });
            scratch.coded = coded;
            found
        });
        let Some(hits) = near else { return (None, work) };
        (Some(Found { hits, route: plan.route, effort: ef as u32, work }), work)
    }

    /// How many rows may be found.
    fn matching(&self, allowed: Option<&Selection>) -> u64 {
        match (allowed, self.full.present()) {
            (None, _) => self.full.count(),
            (Some(allowed), None) => allowed.count(),
            (Some(allowed), Some(present)) => allowed.rows().and_len(present),
        }
    }

    /// Where a walk begins: near the query, and spread over what matches where only that is walked through.
    fn entries(
        &self,
        index: &Index,
        query: &mut Coded,
        allowed: Option<&Selection>,
        route: Route,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> Vec<u32> {
        let (order, tops) = (index.graph.order(), index.graph.tops().len());
        index.codes.distances_of_leading(&index.tops, query, tops, &mut scratch.distances);
        work.distances_coded += tops as u64;
        let best = scratch.distances.iter().copied().zip(0..).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0));
        let mut target = Asked { codes: &index.codes, query };
        let near = descend(&mut target, best, index.graph.upper().rev(), Some(order), scratch, work);
        let mut entries = vec![near, order[0]];
        if let Some(allowed) = allowed.filter(|_| route == Route::GraphFiltered) {
            let spread = allowed.spread();
            let every = (spread.len() / SPREAD_ENTRIES).max(1);
            entries.extend(spread.iter().filter(|row| self.full.has(**row)).step_by(every).map(|row| row.0));
        }
        entries
    }

    /// Asks with every effort of the ladder at once, as if one row did not stand in the graph.
    pub(super) fn trial(&self, trial: &Trial<'_>, route: Route, allowed: Option<&Selection>) -> Trace {
        let mut trace = Trace::new();
        let Some(index) = &self.index else { return trace };
        let (k, query, mut work) = (trial.k, Query::new(trial.query), Work::default());
        let matching = self.matching(allowed);
        let bits = allowed.map(Selection::bits);
        let pass = |place: u32| bits.is_none_or(|bits| bits.has(Row(place)));
        Scratch::lend(|scratch| {
            let mut coded = std::mem::take(&mut scratch.coded);
            index.codes.encode_query(query, false, &mut coded);
            let entries = self.entries(index, &mut coded, allowed, route, scratch, &mut work);
            let extent_of = |ef| if allowed.is_none() { Extent::of(ef, k) } else { Extent::whole(ef) };
            let widest = extent_of(LADDER[LADDER.len() - 1] as usize).width;
            let target = Asked { codes: &index.codes, query: &mut coded };
            let mut ground = Ground { base: index.graph.base(), target };
            ground.begin_without(trial.without.0, &entries, widest, &pass, scratch, &mut work);
            let (mut goes_on, mut calm) = (true, Calm::default());
            while let Some(ef) = LADDER.get(trace.len()).map(|ef| *ef as usize) {
                let extent = extent_of(ef);
                let in_budget = allowed.is_none() || work.distances_coded <= budget(matching, ef);
                if ef < k {
                    trace.push((0, work));
                } else if !in_budget || (!goes_on && (scratch.pool.len() as u64) < matching.min(k as u64)) {
                    // Given up: a search compares everything that matches then.
                    work.distances_coded += matching;
                    trace.resize(LADDER.len(), (k, work));
                } else if !goes_on || extent.is_enough(&calm, scratch.pool.settled()) {
                    let near = scratch.pool.hits().take(extent.width).map(|(key, row)| (f32::from_bits(key), row));
                    let sought = Sought { query, coded: &*ground.target.query, k, deviations: deviations(ef) };
                    let hits = self.compared(index, &sought, near, &mut Work::default());
                    let found = hits.iter().filter(|hit| trial.truth.contains(&hit.row)).count();
                    trace.push((found, work));
                    if found >= trial.truth.len().min(k) && !trial.whole {
                        break;
                    }
                } else if route == Route::GraphFiltered
                    && let Some(bits) = bits
                {
                    goes_on = ground.step_matching(bits, scratch, &mut work);
                } else {
                    goes_on = ground.step(&pass, extent.looked_at, scratch, &mut work);
                    calm.look(&scratch.pool, k);
                }
            }
            scratch.coded = coded;
        });
        trace
    }

    /// Of the neighbours of selected rows, the share that is selected as well.
    pub(super) fn measure_together(&self, selection: &Selection) -> f32 {
        let Some(index) = &self.index else { return 0.0 };
        let (base, bits) = (index.graph.base(), selection.bits());
        let (mut all, mut selected) = (0u32, 0u32);
        for link in selection.spread().iter().flat_map(|row| base.of(row.0)) {
            all += 1;
            selected += u32::from(bits.has(Row(link)));
        }
        if all == 0 { 0.0 } else { selected as f32 / all as f32 }
    }

    /// The `k` best of rows that come with their estimated distances, nearest first: compared on full vectors, until what
    /// is left is too far to be expected among them.
    fn compared(
        &self,
        index: &Index,
        sought: &Sought<'_>,
        mut near: impl Iterator<Item = (f32, u32)>,
        work: &mut Work,
    ) -> Vec<Hit> {
        let Sought { query, coded, k, deviations } = *sought;
        let (mut top, mut asked) = (TopK::new(k), [(0.0, Row(0)); ASKED]);
        loop {
            let mut count = 0;
            for (asked, (estimate, row)) in asked.iter_mut().zip(&mut near) {
                *asked = (estimate, Row(row));
                self.full.prefetch(Row(row));
                count += 1;
            }
            for (_, row) in &asked[..count] {
                top.offer(Hit { row: *row, score: self.full.score(query, *row) });
            }
            work.distances_full += count as u64;
            let floor = top.floor();
            let last = asked[count.saturating_sub(1)].0;
            let farthest = index.codes.distance_of_score(query, floor);
            if count < ASKED
                || floor > f32::NEG_INFINITY && last > farthest + deviations * index.codes.deviation(coded, farthest)
            {
                return top.into_sorted();
            }
        }
    }
}

/// To have compared as many as match is to have lost against comparing those that do.
fn budget(matching: u64, ef: usize) -> u64 {
    matching.max(ef as u64)
}

/// Beyond so many standard deviations an estimate is taken for the truth. Whoever walks twice as far for what is still
/// missing looks further for it as well.
fn deviations(ef: usize) -> f32 {
    3.0 + 1.5 * (ef.max(16) as f32 / 16.0).log2()
}

impl Nearest for SealedVectors {
    fn outline(&self) -> Outline<'_> {
        let size = self.full.size() as u32;
        let codes = self.index.as_ref().map(|index| &index.codes);
        let gist_bytes = codes.map_or(0, |codes| codes.gist_bytes());
        let code_bytes = codes.map_or(u64::from(size) * 4, |codes| {
            codes.memory_bytes() / u64::from(self.full.rows().max(1)) - u64::from(gist_bytes)
        });
        let efforts = self.index.as_ref().map(|index| index.graph.efforts());
        Outline {
            rows: self.full.count(),
            size,
            code_bytes: code_bytes as u32,
            gist_bytes,
            reach: self.cells().map(Cells::reach),
            efforts,
            lists: self.lists.as_ref().map(Lists::outline),
        }
    }

    fn standing(&self, of: Standing, selection: &Selection) -> f32 {
        let cells = self.index.as_ref().and_then(|index| Some((&index.codes, index.cells.as_ref()?)));
        match (of, cells) {
            (Standing::Together, _) => self.measure_together(selection),
            (Standing::Ease, Some((codes, cells))) => cells.ease((&self.full, codes), selection),
            (Standing::Ease, None) => of.unknown(),
        }
    }

    fn present(&self) -> Option<&Bitmap> {
        self.full.present()
    }

    fn vector(&self, row: Row) -> Option<Cow<'_, [f32]>> {
        self.full.has(row).then(|| self.full.vector(row))
    }

    fn search(&self, query: &[f32], k: usize, allowed: Option<&Selection>, plan: &Plan) -> Found {
        if plan.route == Route::Codes {
            let trust = Trust::to_miss(plan.recall.map(|recall| 1.0 - recall));
            return self.scan(query, k, allowed, trust, plan.ef);
        }
        if let (Route::Ivf, Some(lists), true) = (plan.route, &self.lists, k > 0) {
            let tried = lists.search(&self.full, query, k, allowed.map(Selection::rows), plan.ef);
            return Self::or_exact(tried, || self.exact(query, k, allowed));
        }
        let by_graph = matches!(plan.route, Route::Graph | Route::GraphFiltered) && k > 0;
        let Some(index) = self.index.as_ref().filter(|_| by_graph) else {
            return self.exact(query, k, allowed);
        };
        Self::or_exact(self.by_graph(index, query, k, allowed, plan), || self.nearly(query, k, allowed))
    }
}

fn empty_body() -> Vec<u8> {
    SectionsWriter::new(Vec::new()).finish().expect("a Vec takes every byte")
}
