//! Amounts of resources as the API writes them (`100m`, `1Gi`), exact to a thousandth.

use std::fmt;

use serde_json::Value;

/// An amount in thousandths of its unit: of a CPU, of a byte, of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// The suffixes of `k8s.io/apimachinery/pkg/api/resource`, in thousandths; smaller ones are rounded up by [`Quantity::parse`].
const SUFFIXES: [(&str, i128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

impl Quantity {
    /// Makes a number of whole units.
    pub fn whole(number: u32) -> Quantity {
        Quantity(i128::from(number) * 1000)
    }

    /// Reads what the API writes: a number, or a text with a suffix; below a thousandth it is rounded up, as the API does.
    pub fn from_value(value: &Value) -> Option<Quantity> {
        match value {
            Value::Number(number) => Quantity::parse(&number.to_string()),
            Value::String(text) => Quantity::parse(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Reads a text such as `1.5Gi`, `100m` or `2e3`.
    pub fn parse(text: &str) -> Option<Quantity> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')));
        let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
        let (digits, point) = decimal(number)?;
        // What the digits are multiplied with, and by what power of ten the product is divided.
        let (factor, divisor) = match suffix {
            "n" => (1, point + 6),
            "u" => (1, point + 3),
            _ => match SUFFIXES.iter().find(|(it, _)| *it == suffix) {
                Some((_, factor)) => (*factor, point),
                None => exponent(suffix, point)?,
            },
        };
        let divisor = 10i128.checked_pow(divisor)?;
        let product = digits.checked_mul(factor)?;
        Some(Quantity(product.div_euclid(divisor) + i128::from(product.rem_euclid(divisor) > 0)))
    }

    /// Returns so many times the amount.
    pub fn times(self, count: u32) -> Quantity {
        Quantity(self.0.saturating_mul(i128::from(count)))
    }

    /// Returns the sum.
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0))
    }

    /// Returns what is left when the other is taken away; nothing where that is more.
    pub fn less(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_sub(other.0).max(0))
    }
}

impl fmt::Display for Quantity {
    /// Writes it as kubectl would: in the largest binary unit from a mebibyte up in which it is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SUFFIXES[1..6].iter().rev().find(|(_, factor)| self.0 != 0 && self.0 % factor == 0);
        match binary {
            Some((suffix, factor)) => write!(f, "{}{suffix}", self.0 / factor),
            None if self.0 % 1000 == 0 => write!(f, "{}", self.0 / 1000),
            None => write!(f, "{}m", self.0),
        }
    }
}

/// Splits a decimal number into its digits and how many of them stand behind the point.
fn decimal(number: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, u32::try_from(fraction.len()).ok()?))
}

/// Reads `e3` or `E-3`.
fn exponent(suffix: &str, point: u32) -> Option<(i128, u32)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    match u32::try_from(power) {
        Ok(power) => Some((1000i128.checked_mul(10i128.checked_pow(power)?)?, point)),
        Err(_) => Some((1000, point.checked_add(power.unsigned_abs())?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_the_api_writes_them() {
        for (text, thousandths) in [
            ("0", 0),
            ("2", 2000),
            ("100m", 100),
            ("1.5", 1500),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("2e3", 2_000_000),
            ("2E-1", 200),
            ("1n", 1),
            ("1500u", 2),
            ("1E", 1_000_000_000_000_000_000_000),
        ] {
            assert_eq!(Quantity::parse(text), Some(Quantity(thousandths)), "{text}");
        }
        for text in ["", "x", "1x", "1.2.3", "-", "1e", "Gi"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_written_as_people_write_them() {
        for text in ["0", "3", "250m", "1Gi", "1536Mi", "1000"] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), text);
        }
    }
}
