//! Values of the configuration, and how each kind of them is read.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::mistake::Problem;
use crate::assemble::service_url;

/// One value, with its environment variables in place.
#[derive(Debug)]
pub(super) struct Value<'a> {
    written: &'a DeValue<'a>,
    expanded: Option<Cow<'a, str>>,
}

impl<'a> Value<'a> {
    /// `expanded` is the text where it is one.
    pub(super) fn new(written: &'a DeValue<'a>, expanded: Option<Cow<'a, str>>) -> Self {
        Self { written, expanded }
    }

    /// The text, environment variables in place; it may hold a secret.
    pub(super) fn text(&self) -> Result<&str, Problem> {
        self.expanded.as_deref().ok_or_else(|| self.is_not("a text", "a text in quotes"))
    }

    /// The value as it stands in the file, where a secret from the environment is still a reference to it.
    pub(super) fn shown(&self) -> String {
        match self.written {
            DeValue::String(text) => format!("`{text}`"),
            DeValue::Integer(number) => format!("`{number}`"),
            DeValue::Float(number) => format!("`{number}`"),
            DeValue::Boolean(truth) => format!("`{truth}`"),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    fn is_not(&self, what: &str, such: &str) -> Problem {
        Problem::new(format!("{} is not {what}", self.shown()), format!("write {such}"))
    }

    fn parse<T>(
        &self,
        (what, such): (&str, &str),
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        self.expanded.as_deref().and_then(parse).ok_or_else(|| self.is_not(what, such))
    }

    fn named<T>(&self, what: &str, known: &[T], name: fn(&T) -> &'static str) -> Result<T, Problem>
    where
        T: Clone,
    {
        let text = self.text()?;
        known.iter().find(|one| name(one) == text).cloned().ok_or_else(|| {
            let names: Vec<_> = known.iter().map(name).collect();
            Problem::new(format!("{} is not {what}", self.shown()), one_of(text, &names))
        })
    }
}

impl Value<'_> {
    /// A whole number from 0 on.
    pub(super) fn number(&self) -> Option<u64> {
        let number = self.written.as_integer()?;

        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }
}

/// Any text.
pub(super) fn text(value: &Value<'_>) -> Result<String, Problem> {
    value.text().map(str::to_owned)
}

/// `true` or `false`.
pub(super) fn truth(value: &Value<'_>) -> Result<bool, Problem> {
    value.written.as_bool().ok_or_else(|| value.is_not("a choice", "true or false, without quotes"))
}

/// A whole number from 1 on.
pub(super) fn count<T: TryFrom<u64>>(value: &Value<'_>) -> Result<T, Problem> {
    value
        .number()
        .filter(|count| (1..=MOST).contains(count))
        .and_then(|count| T::try_from(count).ok())
        .ok_or_else(|| value.is_not("a count", "a whole number from 1 to a thousand million, without quotes"))
}

/// A share in percent, from 1 to `most`.
pub(super) fn percent(most: u8) -> impl Fn(&Value<'_>) -> Result<u8, Problem> {
    move |value| {
        let share = value.number().and_then(|share| u8::try_from(share).ok());
        share.filter(|share| (1..=most).contains(share)).ok_or_else(|| {
            value.is_not("a share", &format!("a whole number of percent from 1 to {most}, without quotes"))
        })
    }
}

/// A length of time of at least a millisecond, such as `200ms` or `7d`.
pub(super) fn duration(value: &Value<'_>) -> Result<Duration, Problem> {
    let duration = duration_or_none(value)?;
    if duration < Duration::from_millis(1) {
        return Err(Problem::new(format!("{} is too short", value.shown()), "write at least 1ms"));
    }
    Ok(duration)
}

/// A length of time that may be nothing at all.
pub(super) fn duration_or_none(value: &Value<'_>) -> Result<Duration, Problem> {
    let wanted = ("a length of time", "a number with a unit, such as 200ms, 10s, 5m, 24h or 365d");
    value.parse(wanted, |text| humantime::parse_duration(text).ok().filter(|duration| *duration <= LONGEST))
}

/// A number of bytes, such as `64KiB`.
pub(super) fn size(value: &Value<'_>) -> Result<usize, Problem> {
    value.parse(("a number of bytes", "a number with a unit, such as 64KiB, 16MiB or 1GiB"), bytes)
}

/// An address and port to listen on.
pub(super) fn address(value: &Value<'_>) -> Result<SocketAddr, Problem> {
    value.parse(("an address", "an IP address and a port, such as 127.0.0.1:8443 or [::]:8443"), |text| {
        text.parse().ok()
    })
}

/// A network, or one address of it.
pub(super) fn network(value: &Value<'_>) -> Result<IpNet, Problem> {
    value.parse(("a network", "an address, or a network such as 10.0.0.0/8 or fd00::/8"), |text| {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    })
}

/// A file or folder; relative ones are relative to `folder`.
pub(super) fn path(folder: &Path) -> impl Fn(&Value<'_>) -> Result<PathBuf, Problem> {
    move |value| {
        value.parse(("a path", "one, absolute or relative to this file"), |text| {
            (!text.is_empty()).then(|| folder.join(text))
        })
    }
}

/// A name whose type has a rule of its own.
pub(super) fn name<T: FromStr<Err: std::fmt::Display>>(value: &Value<'_>) -> Result<T, Problem> {
    value
        .text()?
        .parse()
        .map_err(|rule| Problem::new(format!("{} is not a name", value.shown()), format!("it {rule}")))
}

/// Where a service is.
pub(super) fn service(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if service_url(&text).is_ok() {
        return Ok(text);
    }

    let fix = "write https://HOST[:PORT][/PATH]; http:// is for addresses of this machine alone";
    Err(Problem::new(format!("{} is no URL of a service", value.shown()), fix))
}

/// What is on the way to a service. What follows is never shown where there may be a password in it.
pub(super) fn proxy(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if text.contains('@') {
        let fix = "write http://HOST:PORT: the gateway logs in at no proxy";
        return Err(Problem::new("the proxy has a user's name in it", fix));
    }

    let address = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if address.is_none_or(str::is_empty) {
        return Err(Problem::new(format!("{} is no proxy", value.shown()), "write http://HOST:PORT"));
    }
    Ok(text)
}

/// One of `known`, each by its name.
pub(super) fn one<T: Clone>(
    what: &'static str,
    known: &[T],
    name: fn(&T) -> &'static str,
) -> impl Fn(&Value<'_>) -> Result<T, Problem> {
    move |value| value.named(what, known, name)
}

/// Advice for whoever wrote `wrong` where one of `known` is wanted.
pub(super) fn one_of(wrong: &str, known: &[&str]) -> String {
    let list = format!("known here: {}", known.join(", "));
    match known.iter().min_by_key(|name| strsim::damerau_levenshtein(wrong, name)) {
        Some(nearest) if strsim::damerau_levenshtein(wrong, nearest) <= nearest.len().max(6) / 3 => {
            format!("did you mean `{nearest}`? {list}")
        }
        Some(_) => list,
        None => "there are none".to_owned(),
    }
}

/// Digits of the SHA-256 of something, with or without `sha256:` before them.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text.strip_prefix("sha256:").unwrap_or(text), &mut digest).ok()?;
    Some(digest)
}

/// Whether a text says something of a key, in which `{tenant}` and `{key}` stand for the key's own.
pub(super) fn is_template(text: &str) -> bool {
    let rest = text.replace("{tenant}", "").replace("{key}", "");
    let is_plain = !rest.contains(['{', '}']) && !rest.contains(char::is_control);

    is_plain && (1..=LONGEST_TEMPLATE).contains(&text.len())
}

fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic() || last == ' ');
    let unit: usize = match text.get(digits.len()..)?.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };

    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|bytes| (1..=1 << 40).contains(bytes))
}

const MOST: u64 = 1_000_000_000;
/// Bytes of a template.
const LONGEST_TEMPLATE: usize = 255;
/// A hundred years: far enough for anybody, and far from the end of any clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, parse: fn(&Value<'_>) -> Result<T, Problem>) -> Option<T> {
        let written = DeValue::String(Cow::Borrowed(text));
        parse(&Value::new(&written, Some(Cow::Borrowed(text)))).ok()
    }

    #[test]
    fn a_size_has_a_binary_unit() {
        assert_eq!(read("512B", size), Some(512));
        assert_eq!(read("64KiB", size), Some(65_536));
        assert_eq!(read("64 MiB", size), Some(67_108_864));

        for bad in
            ["", "64", "MiB", "64MB", "64mib", "-1KiB", "0KiB", "1.5KiB", "99999999999999999999GiB", "ä"]
        {
            assert_eq!(read(bad, size), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_ends_before_any_clock_does() {
        assert_eq!(read("1h 30m", duration), Some(Duration::from_secs(5400)));

        for bad in ["", "10", "0s", "1us", "200years", "99999999999999999999d"] {
            assert_eq!(read(bad, duration), None, "{bad}");
        }
        assert_eq!(read("0s", duration_or_none), Some(Duration::ZERO));
    }

    #[test]
    fn a_template_has_no_other_braces() {
        let longest = "a".repeat(LONGEST_TEMPLATE);
        for good in ["{key}", "{tenant}: {key}", "plain \u{e4}", &longest] {
            assert!(is_template(good), "{good}");
        }

        for bad in ["", "{name}", "a{", "}", "{{key}}", "a\nb", &format!("{longest}a")] {
            assert!(!is_template(bad), "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        assert!(one_of("adress", &["address", "limits"]).starts_with("did you mean `address`?"));
        assert!(one_of("client_ca", &["certificate", "client-ca"]).starts_with("did you mean `client-ca`?"));
        assert!(one_of("xyzzy", &["address", "limits"]).starts_with("known here"));
    }
}
