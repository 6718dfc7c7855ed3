//! Thirty-two gists at a time on 256-bit registers.
//!
//! What four numbers of the query come to, for each of the sixteen ways in which four bits can be set, is a table of one
//! register, and a shuffle looks it up for thirty-two gists at once (as `fastscan` does for codes that lie side by side; André
//! et al. 2015). Rows of a list lie anywhere, so their bits are brought side by side first: sixteen bytes of sixteen
//! gists are transposed in each half of the registers. Both together are fewer instructions than to spread one gist's bits over the numbers
//! that they stand for.

use super::{AHEAD, HEAD, LINE, OF_LINE, TOP, Terms, bytes, prefetch_line};
use std::arch::x86_64::*;

/// Gists that are compared together.
const TOGETHER: usize = 32;

/// Ways to set four bits.
const WAYS: usize = 16;

/// What is added to every number of a table, so that none is below 0; two of them fit a byte.
const RAISED: i32 = 4 * TOP as i32;

/// Bytes of a gist whose sums fit 16 bits, in whole lines.
const FIT: usize = (u16::MAX as usize / (4 * RAISED as usize)) / OF_LINE * OF_LINE;

/// # Safety
///
/// As of `List`; the machine has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn list(gists: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
    let tables = tables(query);
    // SAFETY: the caller's promise is passed on; the number of lines is the query's, and there are tables for each of its bytes.
    unsafe {
        match query.len() / (2 * LINE) {
            1 => sized::<1>(gists, &tables, terms, rows, out, 1),
            2 => sized::<2>(gists, &tables, terms, rows, out, 2),
            3 => sized::<3>(gists, &tables, terms, rows, out, 3),
            lines => sized::<0>(gists, &tables, terms, rows, out, lines),
        }
    }
}

/// # Safety
///
/// As of `List`, with the tables of the query; `lines` is half its lines, and so is `LINES` where it is not 0.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sized<const LINES: usize>(
    gists: &[u8],
    tables: &[[u8; WAYS]],
    terms: Terms,
    rows: &[u32],
    out: &mut [f32],
    lines: usize,
) {
    let stride = if LINES == 0 { bytes(lines) } else { const { bytes(LINES) } };
    let start = |row: u32| gists.as_ptr().wrapping_add(row as usize * stride);
    let (groups, rest) = rows.as_chunks::<TOGETHER>();
    let (outs, out_rest) = out.as_chunks_mut::<TOGETHER>();
    let mut places = [gists.as_ptr(); TOGETHER];
    for (at, (group, out)) in groups.iter().zip(outs).enumerate() {
        if let Some(ahead) = groups.get(at + AHEAD / TOGETHER) {
            for row in ahead {
                for line in 0..stride.div_ceil(LINE) {
                    prefetch_line(start(*row).wrapping_add(line * LINE));
                }
            }
        }
        places.iter_mut().zip(group).for_each(|(place, row)| *place = start(*row));
        // SAFETY: every row of the list is a whole gist of so many lines.
        unsafe { together_of(&places, tables, terms, out) };
    }
    if let Some(last) = rest.last() {
        // A last group of fewer repeats its last row.
        places = [start(*last); TOGETHER];
        places.iter_mut().zip(rest).for_each(|(place, row)| *place = start(*row));
        let mut distances = [0f32; TOGETHER];
        // SAFETY: as above.
        unsafe { together_of(&places, tables, terms, &mut distances) };
        out_rest.copy_from_slice(&distances[..rest.len()]);
    }
}

/// Two tables for each byte of a gist: of its low four bits, and of its high ones.
#[inline]
#[target_feature(enable = "avx2")]
fn tables(query: &[u8]) -> Vec<[u8; WAYS]> {
    let table = |four: &[u8; 4]| {
        let [a, b, c, d] = four.map(|byte| byte as i8);
        std::array::from_fn(|way| {
            let set = |bit: usize, number: i8| if way >> bit & 1 == 1 { number } else { 0 };
            (RAISED as i8 + set(0, a) + set(1, b) + set(2, c) + set(3, d)) as u8
        })
    };
    query.as_chunks::<4>().0.iter().map(table).collect()
}

/// # Safety
///
/// At each of the places is a gist with a byte for every two tables, which are whole lines.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn together_of(
    places: &[*const u8; TOGETHER],
    tables: &[[u8; WAYS]],
    terms: Terms,
    distances: &mut [f32; TOGETHER],
) {
    let (parts, mut totals) = (tables.chunks(2 * FIT), [_mm256_setzero_si256(); TOGETHER / 8]);
    for (at, tables) in parts.enumerate() {
        // SAFETY: as the caller promised, for a part of the bytes.
        let sums = unsafe { sums(places, HEAD + at * FIT, tables) };
        for (two, sum) in totals.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
            two[0] = _mm256_add_epi32(two[0], _mm256_cvtepu16_epi32(_mm256_castsi256_si128(sum)));
            two[1] = _mm256_add_epi32(two[1], _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sum, 1)));
        }
    }
    let raised = _mm256_set1_epi32(RAISED * tables.len() as i32);
    let eights = places.as_chunks::<8>().0.iter().zip(distances.as_chunks_mut::<8>().0);
    for ((places, distances), total) in eights.zip(totals) {
        // SAFETY: every gist begins with its two numbers; eight numbers are 256 bits.
        unsafe { _mm256_storeu_ps(distances.as_mut_ptr(), estimates(terms, places, _mm256_sub_epi32(total, raised))) };
    }
}

/// Eight distances, by the operations of `packed::estimate`.
///
/// # Safety
///
/// Two numbers can be read at each of `pairs`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn estimates(terms: Terms, pairs: &[*const u8; 8], dots: __m256i) -> __m256 {
    // SAFETY: as the caller promised.
    let two = |at: usize| unsafe {
        let first = _mm_loadl_epi64(pairs[at].cast());
        _mm_unpacklo_epi64(first, _mm_loadl_epi64(pairs[at + 1].cast()))
    };
    let four =
        |at: usize| _mm256_castsi256_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(two(at)), two(at + 4), 1));
    let (first, second) = (four(0), four(2));
    let (biases, factors) = (_mm256_shuffle_ps(first, second, 0x88), _mm256_shuffle_ps(first, second, 0xdd));
    let centred = _mm256_sub_ps(_mm256_cvtepi32_ps(dots), _mm256_set1_ps(terms.offset));
    let near = _mm256_mul_ps(_mm256_mul_ps(factors, _mm256_set1_ps(terms.scale)), centred);
    _mm256_sub_ps(_mm256_add_ps(biases, _mm256_set1_ps(terms.norm)), near)
}

/// What the tables hold for so many bytes from `from` on, added up.
///
/// # Safety
///
/// At each of the places half as many bytes as there are tables can be read from `from` on; they are whole lines, and at most [`FIT`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums(places: &[*const u8; TOGETHER], from: usize, tables: &[[u8; WAYS]]) -> [__m256i; TOGETHER / 16] {
    let low = _mm256_set1_epi8(15);
    // Of two neighbours the sum of both, the upper times 256, and the upper alone.
    let (mut both, mut upper) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    for (line, tables) in tables.as_chunks::<{ 2 * OF_LINE }>().0.iter().enumerate() {
        // SAFETY: as the caller promised; a table is 128 bits.
        unsafe {
            let columns = columns(places, from + line * OF_LINE);
            for (column, [lows, highs]) in columns.iter().zip(tables.as_chunks::<2>().0) {
                let of_low = _mm256_and_si256(*column, low);
                let of_high = _mm256_and_si256(_mm256_srli_epi16(*column, 4), low);
                let lows = _mm256_broadcastsi128_si256(_mm_loadu_si128(lows.as_ptr().cast()));
                let highs = _mm256_broadcastsi128_si256(_mm_loadu_si128(highs.as_ptr().cast()));
                let sum = _mm256_add_epi8(_mm256_shuffle_epi8(lows, of_low), _mm256_shuffle_epi8(highs, of_high));
                both = _mm256_add_epi16(both, sum);
                upper = _mm256_add_epi16(upper, _mm256_srli_epi16(sum, 8));
            }
        }
    }
    let lower = _mm256_sub_epi16(both, _mm256_slli_epi16(upper, 8));
    let (first, second) = (_mm256_unpacklo_epi16(lower, upper), _mm256_unpackhi_epi16(lower, upper));
    [_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)]
}

/// Sixteen bytes of every gist, transposed: one register for each byte, with that of every gist in their order.
///
/// # Safety
///
/// At each of the places sixteen bytes can be read from `from` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn columns(places: &[*const u8; TOGETHER], from: usize) -> [__m256i; OF_LINE] {
    let mut columns = [_mm256_setzero_si256(); OF_LINE];
    for (at, column) in columns.iter_mut().enumerate() {
        // SAFETY: as the caller promised.
        *column = unsafe {
            let first = _mm_loadu_si128(places[at].add(from).cast());
            let second = _mm_loadu_si128(places[at + OF_LINE].add(from).cast());
            _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1)
        };
    }
    // Each round moves the highest bit of a register's number to the lowest of a byte's: four rounds put the one in place of
    // the other.
    for _ in 0..4 {
        let before = columns;
        for (at, pair) in columns.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let (a, b) = (before[at], before[at + OF_LINE / 2]);
            *pair = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
        }
    }
    columns
}
