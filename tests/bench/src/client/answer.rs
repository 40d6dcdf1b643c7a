//! An answer, as far as a load generator reads it.

use std::fmt;
use std::str;

use anyhow::{Context, Result};

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(self.body))
    }
}

/// The first line and the headers.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes up to and with the empty line.
    pub(super) length: usize,
    /// Bytes of the body.
    pub(super) body: usize,
}

impl Head {
    /// Reads a head, if it is there whole. A body must have a Content-Length.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text = str::from_utf8(&bytes[..end]).context("an answer's head is not text")?;
        let mut lines = text.split("\r\n");

        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status line")?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, length)| length.trim())
            .or((status == NO_CONTENT).then_some("0"))
            .context("an answer without Content-Length")?;

        Ok(Some(Self {
            status: status.parse().context("the status is not a number")?,
            length: end + 4,
            body: length.parse().context("Content-Length is not a number")?,
        }))
    }
}

/// Has no body, and need not say so (RFC 9110, section 8.6).
const NO_CONTENT: &str = "204";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

        assert_eq!(Head::parse(&bytes[..30]).unwrap(), None);
        assert_eq!(Head::parse(bytes).unwrap(), Some(Head { status: 200, length: 38, body: 5 }));
    }
}
