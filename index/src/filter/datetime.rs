//! Instants in strings: RFC 3339, or a date alone for its midnight in UTC. What other writers leave out may be left out:
//! the zone (UTC then), the seconds, the colon of an offset.
//!
//! Read by hand, since a range compares every distinct string of a field: a string that is no
//! instant is turned away after a few bytes. Instants lie in the years 0 to 9999 of UTC, so that
//! each of them can be written back.

/// The first instant, in microseconds since 1970: `0000-01-01T00:00:00Z`.
pub const MICROS_MIN: i64 = -62_167_219_200_000_000;

/// The last instant: `9999-12-31T23:59:59.999999Z`.
pub const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// No instant is written in more bytes than this.
const TEXT_BYTES_MAX: usize = 64;

const DAY_SECONDS: i64 = 86_400;

/// The instant in microseconds since 1970, `None` where the text is none. Digits beyond the
/// microsecond are cut off; a leap second counts as the second before it.
pub fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes.len() > TEXT_BYTES_MAX || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    if !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * DAY_SECONDS;
    let total = match bytes.get(10) {
        None => midnight * 1_000_000,
        Some(b'T' | b't' | b' ') => midnight * 1_000_000 + time(&bytes[11..])?,
        Some(_) => return None,
    };
    (MICROS_MIN..=MICROS_MAX).contains(&total).then_some(total)
}

/// The instant in RFC 3339, UTC; an instant outside the years 0 to 9999 as the nearest inside.
pub fn text(micros: i64) -> String {
    let micros = micros.clamp(MICROS_MIN, MICROS_MAX);
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (year, month, day) = date_of(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if rest != 0 {
        text.push_str(&format!(".{rest:06}"));
    }
    text.push('Z');
    text
}

/// `hh:mm[:ss[.fraction]][Z|±hh:mm|±hhmm]` in microseconds, the offset taken off.
fn time(bytes: &[u8]) -> Option<i64> {
    let [a, b, b':', c, d, rest @ ..] = bytes else { return None };
    let (hour, minute) = (digits(&[*a, *b])?, digits(&[*c, *d])?);
    let (second, fraction, rest) = match rest {
        [b':', tens, ones, rest @ ..] => {
            let (fraction, rest) = fraction(rest)?;
            (digits(&[*tens, *ones])?, fraction, rest)
        }
        rest => (0, 0, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second.min(59) - offset(rest)?) * 1_000_000 + fraction)
}

/// Microseconds of `.fraction`, where there is one, and what follows.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let known = count.min(6);
    let micros = digits(&after[..known])? * 10i64.pow(6 - known as u32);
    (count > 0).then_some((micros, &after[count..]))
}

/// Seconds that a zone is ahead of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match bytes {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, a, b, b':', c, d] | [sign, a, b, c, d] => (sign, digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    let ahead = (hours <= 23 && minutes <= 59).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March, so
/// that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + of_era + i64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1970-01-02", 86_400_000_000),
            ("1969-12-31T23:59:59Z", -1_000_000),
            ("1970-01-01t00:00:00.5z", 500_000),
            ("1970-01-01 01:00:00+01:00", 0),
            ("1970-01-01T00:00:00.1234567-00:30", 1_800_123_456),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000_000),
            ("1970-01-01T00:00:01", 1_000_000),
            ("1970-01-01 00:00:01.5", 1_500_000),
            ("1970-01-01T00:01", 60_000_000),
            ("1970-01-01T02:00+0200", 0),
            ("1970-01-01T00:00:00-0030", 1_800_000_000),
            ("0000-01-01", MICROS_MIN),
            ("9999-12-31T23:59:59.999999Z", MICROS_MAX),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_strings_are_none() {
        for text in [
            "",
            "2020",
            "2020-1-1",
            "2020-02-30",
            "2021-02-29",
            "1900-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-00",
            "2020-01-01T",
            "2020-01-01T00:0",
            "2020-01-01T00:00:",
            "2020-01-01T00:00:0",
            "2020-01-01T00:00.5Z",
            "2020-01-01T000000Z",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:60:00Z",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00:00+1:00",
            "2020-01-01T00:00:00+01",
            "2020-01-01T00:00:00 0100",
            "2020-01-01T00:00:00+0160",
            "2020-01-01T00:00:00+24:00",
            "2020-01-01x",
            "2020-01-01T00:00:00Zx",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "２０２０-01-01",
            " 2020-01-01",
            "2020-01-01 ",
            "+020-01-01",
            "2020-01-01T00:00:00é",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(instant in MICROS_MIN..=MICROS_MAX) {
            prop_assert_eq!(micros(&text(instant)), Some(instant));
        }

        #[test]
        fn a_calendar_agrees(instant in -60_000_000_000_000_000i64..=250_000_000_000_000_000) {
            let theirs = jiff::Timestamp::from_microsecond(instant).unwrap().to_string();
            prop_assert_eq!(micros(&theirs), Some(instant), "{}", theirs);
        }
    }
}
