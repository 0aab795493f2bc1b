//! Numbers, switches and durations as Go spells them, since scripts were written for a Go program.

use std::time::Duration;

/// Why a text is not a value of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiteralError {
    /// Not true or false.
    #[error("expected true or false")]
    Switch,
    /// Not a number.
    #[error("expected a whole number")]
    Number,
    /// A negative number where none can be.
    #[error("expected a whole number that is not negative")]
    Unsigned,
    /// A number that is too large.
    #[error("value out of range")]
    Range,
    /// Not a duration.
    #[error("expected a duration such as 30s or 1m30s")]
    Duration,
    /// A duration without its unit.
    #[error("missing unit in duration: write 30s for seconds, 5m for minutes")]
    MissingUnit,
    /// A duration with a unit that there is not.
    #[error("unknown unit in duration: there are ns, us, ms, s, m and h")]
    UnknownUnit,
}

/// Reads a switch.
pub(crate) fn switch(text: &str) -> Result<bool, LiteralError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(LiteralError::Switch),
    }
}

/// Reads a signed number: `5432`, `-1`, `0x10`, `0b101`, `0o17`, `017`, `5_432`.
pub(crate) fn int(text: &str) -> Result<i64, LiteralError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let size = i128::from(magnitude(digits).map_err(|error| match error {
        LiteralError::Unsigned => LiteralError::Number,
        other => other,
    })?);
    let number = if negative { -size } else { size };
    i64::try_from(number).map_err(|_| LiteralError::Range)
}

/// Reads a number without a sign.
pub(crate) fn uint(text: &str) -> Result<u64, LiteralError> {
    magnitude(text)
}

/// Reads a number in decimal alone, as those in an instance's query are.
pub(crate) fn decimal(text: &str) -> Result<i64, LiteralError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LiteralError::Number);
    }
    text.parse().map_err(|_| LiteralError::Range)
}

fn magnitude(text: &str) -> Result<u64, LiteralError> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // A prefix counts as a digit: 0x_1 and 0_7 are numbers, _1 is none.
    let mut after_digit = base != 10;
    let mut number = Some(0_u64);
    for character in digits.chars() {
        if character == '_' && after_digit {
            after_digit = false;
            continue;
        }
        let digit = character.to_digit(base).ok_or(LiteralError::Unsigned)?;
        number = number
            .and_then(|so_far| so_far.checked_mul(u64::from(base)))
            .and_then(|so_far| so_far.checked_add(u64::from(digit)));
        after_digit = true;
    }
    let ends_in_digit = after_digit && !digits.is_empty();
    if !ends_in_digit {
        return Err(LiteralError::Unsigned);
    }
    number.ok_or(LiteralError::Range)
}

/// Reads a duration: `10s`, `1m30s`, `1.5h`, `-1s`, `0`. A negative one is none at all, as it is for
/// the original wherever it takes one.
pub(crate) fn duration(text: &str) -> Result<Duration, LiteralError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(LiteralError::Duration);
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanoseconds, behind) = leading_term(rest)?;
        total += nanoseconds;
        rest = behind;
    }
    // Go keeps nanoseconds in 64 bits.
    let nanoseconds = i64::try_from(total).map_err(|_| LiteralError::Range)?;
    Ok(if negative {
        Duration::ZERO
    } else {
        Duration::from_nanos(nanoseconds.unsigned_abs())
    })
}

/// Reads one number with its unit; what follows is given back.
fn leading_term(text: &str) -> Result<(u128, &str), LiteralError> {
    let is_digit = |character: char| character.is_ascii_digit();
    let whole_end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (whole, rest) = text.split_at(whole_end);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len())),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(LiteralError::Duration);
    }
    let unit_end = rest
        .find(|character| is_digit(character) || character == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit = match unit {
        "" => return Err(LiteralError::MissingUnit),
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(LiteralError::UnknownUnit),
    };
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| LiteralError::Range)?,
    };
    let mut nanoseconds = u128::from(whole) * unit;
    // Digits below a nanosecond of the largest unit mean nothing.
    let mut place = unit;
    for digit in fraction.bytes().take(20) {
        place /= 10;
        nanoseconds += u128::from(digit - b'0') * place;
    }
    Ok((nanoseconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_gos_bases() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("5432", 5432),
            ("+5432", 5432),
            ("-1", -1),
            ("0x10", 16),
            ("0X1F", 31),
            ("-0x_1", -1),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("0_7", 7),
            ("5_432", 5432),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(int(text), Ok(number), "{text}");
        }
        for text in [
            "", "-", "+", "x", "_1", "1_", "1__0", "08", "0x", "0b2", "1.0", " 1", "１",
        ] {
            assert_eq!(int(text), Err(LiteralError::Number), "{text}");
        }
        for text in ["9223372036854775808", "99999999999999999999"] {
            assert_eq!(int(text), Err(LiteralError::Range), "{text}");
        }
        assert_eq!(uint("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(uint("18446744073709551616"), Err(LiteralError::Range));
        assert_eq!(uint("-1"), Err(LiteralError::Unsigned));
        assert_eq!(uint("+1"), Err(LiteralError::Unsigned));
    }

    #[test]
    fn queries_know_decimals_alone() {
        assert_eq!(decimal("5432"), Ok(5432));
        assert_eq!(decimal("-05"), Ok(-5));
        for text in ["", "0x10", "5_432", " 5", "+", "1.0"] {
            assert_eq!(decimal(text), Err(LiteralError::Number), "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [
            ("0", 0),
            ("+0", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1.s", 1_000),
            ("1h", 3_600_000),
            ("2ms", 2),
            ("2000us", 2),
            ("2000µs", 2),
            ("2000μs", 2),
            ("2000000ns", 2),
            ("-5s", 0),
            ("1s1h", 3_601_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for (text, error) in [
            ("", LiteralError::Duration),
            ("-", LiteralError::Duration),
            ("s", LiteralError::Duration),
            (".s", LiteralError::Duration),
            ("ten", LiteralError::Duration),
            ("30", LiteralError::MissingUnit),
            ("1m30", LiteralError::MissingUnit),
            ("00", LiteralError::MissingUnit),
            ("1d", LiteralError::UnknownUnit),
            ("1 s", LiteralError::UnknownUnit),
            ("1S", LiteralError::UnknownUnit),
            ("2562048h", LiteralError::Range),
            ("99999999999999999999s", LiteralError::Range),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }
}
