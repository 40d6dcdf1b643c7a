//! A line is read back as it was written, and nothing that is read makes it panic.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::super::line::{Line, Link};
use super::*;

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

prop_compose! {
    fn line()(
        seq: u64,
        texts in (text(), text(), text(), of(text()), of(text()), of(text()), of(text()), of(text()), of(text())),
        more in (of(text()), of(text()), of(text()), of(text()), of(text()), of(text())),
        numbers in (of(any::<u32>()), of(any::<u64>()), of(any::<u64>())),
        recovered: bool,
        digest_as_message: bool,
    ) -> Line<'static> {
        let (time, operation, outcome, request_id, tenant, caller, contract, key, key_id) = texts;
        let (fingerprint, provider, component, scheme, reason, detail) = more;
        let (attempts, intent, oldest) = numbers;
        Line {
            seq, time, request_id, tenant, caller, contract, operation, key, key_id, fingerprint, digest_as_message, provider, component,
            scheme, attempts, outcome, reason, intent, recovered, detail, oldest, open: None, prev: None,
        }
    }
}

proptest! {
    #[test]
    fn a_line_is_read_as_it_was_written(line in line(), open in of(vec(line(), 1..3)), before: [u8; 32]) {
        let head = Head { seq: line.seq.saturating_sub(1), hash: before };
        let mut bytes = Vec::new();
        let appended = head.append(Line { open: open.clone(), ..line.clone() }, &mut bytes).unwrap();

        let (newline, bytes) = bytes.split_last().unwrap();
        prop_assert_eq!(*newline, b'\n');
        prop_assert!(!bytes.contains(&b'\n'));
        let prev = Some(Cow::Owned(hex::encode(before)));
        let read: Line<'_> = serde_json::from_slice(bytes).unwrap();
        prop_assert_eq!(&read, &Line { seq: appended.seq, prev, open, ..line });
        let link = Link::parse(bytes).unwrap();
        prop_assert!(head.is_named_by(&link.prev));
        prop_assert_eq!((link.seq, link.intent, link.oldest), (read.seq, read.intent, read.oldest));
    }

    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(bytes: Vec<u8>) {
        prop_assert!(Link::parse(&bytes).is_none());
    }

    #[test]
    fn a_segment_of_arbitrary_lines_is_read_and_not_sound(lines in vec("\\{?(\"seq\":[0-9]{1,3},)?.{0,20}\\}?", 1..20)) {
        let log = Log::new();
        fs::write(log.0.path().join("audit-000000000001.jsonl"), lines.join("\n") + "\n").unwrap();

        prop_assert!(!log.verify(None).is_sound());
        log.open(Options::default(), None).0.close();
    }
}
