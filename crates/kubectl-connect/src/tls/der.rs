//! The few fields of a certificate that Go looks at and webpki does not show.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};

const SEQUENCE: u8 = 0x30;
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// `keyCertSign`, the sixth bit.
const MAY_SIGN: u8 = 0x04;

/// What a certificate says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    third_version: bool,
    self_issued: bool,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    authority: Option<bool>,
    key_usage: Option<u8>,
    pub(super) dns_names: Vec<&'a str>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` where it is none.
    pub(super) fn parse(der: &'a CertificateDer<'_>) -> Option<Self> {
        let (whole, _) = expect(der, SEQUENCE)?;
        let (mut body, _) = expect(whole, SEQUENCE)?;
        let mut third_version = false;
        if let (0xa0, version, rest) = element(body)? {
            third_version = expect(version, 0x02)?.0 == [2];
            body = rest;
        }
        // Serial number, algorithm.
        for _ in 0..2 {
            body = element(body)?.2;
        }
        let (issuer, rest) = expect(body, SEQUENCE)?;
        body = rest;
        let (validity, rest) = expect(body, SEQUENCE)?;
        let (not_before, after) = time(validity)?;
        let (not_after, _) = time(after)?;
        let mut certificate = Self {
            third_version,
            self_issued: false,
            not_before,
            not_after,
            authority: None,
            key_usage: None,
            dns_names: Vec::new(),
        };
        let (subject, rest) = expect(rest, SEQUENCE)?;
        certificate.self_issued = subject == issuer;
        // The key.
        body = element(rest)?.2;
        while let Some((tag, content, rest)) = element(body) {
            if tag == 0xa3 {
                certificate.extensions(expect(content, SEQUENCE)?.0)?;
            }
            body = rest;
        }
        Some(certificate)
    }

    fn extensions(&mut self, mut list: &'a [u8]) -> Option<()> {
        while !list.is_empty() {
            let (extension, rest) = expect(list, SEQUENCE)?;
            list = rest;
            let (id, mut after) = expect(extension, 0x06)?;
            if let (0x01, _, rest) = element(after)? {
                after = rest;
            }
            let (value, _) = expect(after, 0x04)?;
            match id {
                BASIC_CONSTRAINTS => {
                    let (constraints, _) = expect(value, SEQUENCE)?;
                    self.authority =
                        Some(matches!(element(constraints), Some((0x01, [flag], _)) if *flag != 0));
                }
                // The first byte counts the bits that are not used.
                KEY_USAGE => self.key_usage = expect(value, 0x03)?.0.get(1).copied().or(Some(0)),
                ALTERNATIVE_NAMES => {
                    let (mut names, _) = expect(value, SEQUENCE)?;
                    while let Some((tag, name, rest)) = element(names) {
                        if tag == 0x82 {
                            self.dns_names.extend(std::str::from_utf8(name));
                        }
                        names = rest;
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Says whether nobody but itself vouches for it.
    pub(super) fn self_issued(&self) -> bool {
        self.self_issued
    }

    /// Says whether it may vouch for others, by the rules of Go's `CheckSignatureFrom`.
    pub(super) fn may_sign(&self) -> bool {
        let authority = self.authority.unwrap_or(!self.third_version);
        authority && self.key_usage.is_none_or(|usage| usage & MAY_SIGN != 0)
    }
}

/// Splits off the first element: its tag, its content, and what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(input: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(input)?;
    (tag == wanted).then_some((content, rest))
}

/// Reads a `UTCTime` or a `GeneralizedTime`, both in UTC.
fn time(input: &[u8]) -> Option<(UnixTime, &[u8])> {
    let (tag, content, rest) = element(input)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, text) = match tag {
        0x17 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| text.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    // What began before the epoch has begun.
    Some((UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))), rest))
}

/// Counts the days from the epoch to a date of the Gregorian calendar, whose year begins in March here.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 2, 29);
        params.not_after = date_time_ymd(2055, 12, 31);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn reads_dates_names_and_what_it_is_for() {
        let der = made(|_| ());
        let leaf = Certificate::parse(&der).unwrap();
        assert_eq!(leaf.not_before.as_secs(), 1_582_934_400);
        assert_eq!(leaf.not_after.as_secs(), 2_713_824_000);
        assert_eq!(leaf.dns_names, ["a.example"]);
        assert!(leaf.self_issued() && !leaf.may_sign());
        let ca = |usage: &[KeyUsagePurpose]| {
            let der = made(|params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = usage.to_vec();
            });
            Certificate::parse(&der).unwrap().may_sign()
        };
        assert!(ca(&[]));
        assert!(ca(&[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]));
        assert!(!ca(&[KeyUsagePurpose::DigitalSignature]));
        let not_ca = made(|params| params.is_ca = IsCa::ExplicitNoCa);
        assert!(!Certificate::parse(&not_ca).unwrap().may_sign());
    }

    #[test]
    fn nonsense_is_no_certificate() {
        let whole = made(|_| ());
        for bytes in [&b""[..], b"hello", &[0x30, 0x84, 1, 2, 3, 4], &whole[..whole.len() / 3]] {
            assert_eq!(Certificate::parse(&CertificateDer::from(bytes)), None);
        }
    }
}
