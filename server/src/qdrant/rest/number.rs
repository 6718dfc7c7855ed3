//! Numbers of vectors out of their text, each the `f32` next to the `f64` next to what stands there, as JSON values
//! would give it.
//!
//! A client that keeps its vectors as `f64` writes seventeen digits a number. All of them fit into 64 bits, and with an
//! exact power of ten (W. D. Clinger, "How to read floating point numbers accurately", 1990, section 3) one product or
//! quotient is wrong by less than [`MARGIN`] units in the last place of an `f64`. An `f32` has 29 bits fewer: unless
//! those say that it is in the middle between two of them, give or take the margin, it is the right one.

/// An error of the mantissa (half a unit) and one of the product (another half) are at most two units of a result that
/// is a little less than a power of two; what stands there and the `f64` next to it are half a unit apart at most.
const MARGIN: u64 = 4;
/// So many digits fit into 64 bits, whichever they are.
const DIGITS_MAX: usize = 19;
/// The powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The powers of ten by which digits are put before others.
const TENS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// Eight zeros as characters.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

/// Reads the number of JSON that the text begins with, and says how many bytes it takes.
///
/// # Errors
///
/// Says which byte is not what it has to be, or that no `f64` is so large.
pub(super) fn read(text: &[u8]) -> Result<(f32, usize), (usize, &'static str)> {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let (mut mantissa, mut at) = (0, begin);
    // Zeros before the first other digit are none of those that have to fit.
    let mut first = begin;
    if text.get(at) == Some(&b'0') {
        at += 1;
        first = at;
    } else if digit(at) {
        at = digits(text, at, &mut mantissa);
    } else {
        return Err((at, "expected a number"));
    }
    let mut count = at - first;
    let mut exponent = 0_i64;
    if text.get(at) == Some(&b'.') {
        let point = at + 1;
        at = point;
        let whole = mantissa;
        at = digits(text, at, &mut mantissa);
        if at == point {
            return Err((at, "expected a digit after the point"));
        }
        count += at - point;
        if count > DIGITS_MAX && whole == 0 {
            count -= text[point..at].iter().take_while(|byte| **byte == b'0').count();
        }
        exponent = -((at - point) as i64);
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        let below = text.get(at) == Some(&b'-');
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        if !digit(at) {
            return Err((at, "expected a digit of the exponent"));
        }
        let mut power = 0_i64;
        while digit(at) {
            power = power.saturating_mul(10).saturating_add(i64::from(text[at] - b'0'));
            at += 1;
        }
        exponent = exponent.saturating_add(if below { -power } else { power });
    }
    let near = (count <= DIGITS_MAX).then(|| near(mantissa, exponent)).flatten();
    let number = match near {
        // As bits: whether there is a sign nobody can foresee.
        Some(number) => f32::from_bits(number.to_bits() | u32::from(negative) << 31),
        None => exact(&text[..at]).ok_or((0, "number out of range"))?,
    };
    Ok((number, at))
}

/// Adds the digits that stand there to the mantissa, which means nothing any more when they are too many.
fn digits(text: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let (value, count) = leading(u64::from_le_bytes(*eight));
        if count < 8 {
            *mantissa = mantissa.wrapping_mul(TENS[count]).wrapping_add(value);
            return at + count;
        }
        // Not by the count, which would have to be known before the next eight are looked at.
        *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(value);
        at += 8;
    }
    while let Some(byte) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        at += 1;
    }
    at
}

/// The number that those of eight characters make that come before the first one that is no digit, and how many they
/// are: without a branch, as that is another one for nearly every number.
fn leading(text: u64) -> (u64, usize) {
    let off = text ^ ZEROS;
    // What is more than nine sets its highest bit. A carry is only to those behind one that does.
    let others = (off.wrapping_add(0x7676_7676_7676_7676) | off) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() / 8;
    // As if as many zeros stood before them; in two steps, as it may be all of the 64 bits.
    let half = 32 - 4 * count;
    let ones = (off << half) << half;
    // Neighbours are joined, then pairs, then fours.
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours * 10_000 + (fours >> 32)) & 0xffff_ffff, count as usize)
}

/// `mantissa * 10^exponent`, unless it is too close to the middle between two for this.
fn near(mantissa: u64, exponent: i64) -> Option<f32> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    let wide = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    // Smaller ones have fewer bits than others.
    if wide < f64::from(f32::MIN_POSITIVE) {
        return None;
    }
    let beyond = wide.to_bits() & ((1 << 29) - 1);
    (beyond.abs_diff(1 << 28) > MARGIN).then_some(wide as f32)
}

#[cold]
fn exact(text: &[u8]) -> Option<f32> {
    let wide: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    wide.is_finite().then_some(wide as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// What JSON makes of the text.
    fn expected(text: &str) -> Option<f32> {
        serde_json::from_str::<f64>(text).ok().map(|number| number as f32)
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let read = super::read(text.as_bytes()).ok().filter(|(_, length)| *length == text.len());
        prop_assert_eq!(read.map(|(number, _)| number.to_bits()), expected(text).map(f32::to_bits), "{}", text);
        // And no byte behind it is read as one of it.
        let longer = super::read(format!("{text},1").as_bytes()).ok().filter(|(_, length)| *length == text.len());
        prop_assert_eq!(longer, read, "{}", text);
        Ok(())
    }

    #[test]
    fn numbers_are_those_of_json() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "0e5",
            "0e-99999999999999999999",
            "1",
            "-1",
            "10",
            "12345678",
            "123456789",
            "1e5",
            "1E+5",
            "1e-5",
            "1.5",
            "-0.03411596268415451",
            "16777217",
            "16777219",
            "16777217.000000001",
            "1e38",
            "1e39",
            "3.4028235e38",
            "3.40282356779733661637539395458142568447e38",
            "1.1754943508222875e-38",
            "1e-38",
            "1e-45",
            "1.401298464324817e-45",
            "7.006492321624085e-46",
            "7e-46",
            "1e-400",
            "1e308",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "0.00000000000000000000000000000000012345678",
            "1.00000005960464477539062",
            "1.000000059604644775390625",
            "1.0000000596046447753906250000001",
            "1.00000005960464477",
            "0.1000000014901161193847656250",
            "9007199791611905",
            "9007199791611904",
        ] {
            check(text).unwrap_or_else(|err| panic!("{err}"));
            assert!(expected(text).is_some(), "{text}");
        }
        for text in [
            "", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "1e-", "01", "00", "-01", "1e400", "-1e400", "NaN",
            "Infinity", "0x10", "1_0", "--1", "1..2", "null", "\"1\"", "１",
        ] {
            check(text).unwrap_or_else(|err| panic!("{err}"));
            assert!(expected(text).is_none(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn any_f32_is_read_back(bits: u32) {
            let number = f32::from_bits(bits);
            prop_assume!(number.is_finite());
            for text in [format!("{number}"), format!("{number:e}"), format!("{}", f64::from(number)), format!("{:e}", f64::from(number))] {
                check(&text)?;
                let (read, _) = super::read(text.as_bytes()).unwrap();
                prop_assert_eq!(read.to_bits(), bits, "{}", text);
            }
        }

        /// The middles between two, and their neighbours.
        #[test]
        fn middles_are_those_of_json(bits: u32, off in -6_i64..=6) {
            let number = f32::from_bits(bits & 0x7fff_ffff);
            prop_assume!(number.is_finite() && number.next_up().is_finite());
            let middle = f64::midpoint(f64::from(number), f64::from(number.next_up()));
            let beside = f64::from_bits(middle.to_bits().wrapping_add_signed(off));
            check(&format!("{beside}"))?;
            check(&format!("{beside:e}"))?;
            check(&format!("{beside:.17e}"))?;
            check(&format!("{beside:.19e}"))?;
        }

        #[test]
        fn any_digits_are_those_of_json(text in "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
            check(&text)?;
        }

        #[test]
        fn any_text_is_what_json_says(text in "[-+.eE0-9]{0,12}") {
            check(&text)?;
        }
    }
}
