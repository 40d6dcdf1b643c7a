//! Guests' words, made safe for the operator's log.

use std::fmt::Write;

/// At most `limit` bytes of `text`, with everything escaped that could forge a line or change how a terminal shows it.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit));

    for character in text.chars() {
        let before = line.len();
        let written = if is_safe(character) {
            line.write_char(character)
        } else {
            write!(line, "{}", character.escape_default())
        };
        if written.is_err() || line.len() > limit {
            line.truncate(before);
            line.push('…');
            break;
        }
    }

    line
}

/// Not a control character, a separator of lines, or one that turns the direction of writing (Unicode, annex 9).
fn is_safe(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Bytes of a message in a failure or a log line.
pub(crate) const MESSAGE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        assert_eq!(line("a\nERROR b\u{1b}[2J\u{202e}", 99), "a\\nERROR b\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(line("ääää", 5), "ää…");
        assert_eq!(line("ab\n", 3), "ab…");
        assert_eq!(line("abc", 3), "abc");
    }
}
