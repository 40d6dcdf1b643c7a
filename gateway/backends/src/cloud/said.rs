//! What a service says of an error, for the operator.

/// It on one line, and no longer than anybody reads.
pub(crate) fn said(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();

    words.join(" ").chars().take(LONGEST).collect()
}

/// Characters of it.
const LONGEST: usize = 500;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_becomes_a_line() {
        assert_eq!(said("  <html>\r\n\t<p>no\u{7}\u{1b}[31m</p>\n"), "<html> <p>no [31m</p>");
        assert_eq!(said(&"ä".repeat(9999)).chars().count(), LONGEST);
    }

    proptest! {
        #[test]
        fn a_line_stays_as_it_is(text in any::<String>()) {
            let line = said(&text);

            prop_assert!(!line.contains(char::is_control) && line.chars().count() <= LONGEST);
            prop_assert_eq!(said(&line), line.trim_end());
        }
    }
}
