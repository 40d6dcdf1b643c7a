//! Which keys a list is to have, and where it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyport_core::key::{Key, KeyId, State};
use keyport_core::outside::Timestamp;
use keyport_core::{Error, Result};

use super::wire;
use crate::request::percent_decoded;

/// The query of `GET /keys`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ListQuery {
    state: Option<State>,
    prefix: String,
    limit: Option<usize>,
    after: Option<Place>,
}

/// Where a key is in the order in which keys were made.
type Place = (Timestamp, KeyId);

impl ListQuery {
    /// Reads what stands behind the `?`.
    pub(super) fn read(query: Option<&str>) -> Result<Self> {
        let mut fields = fields(query.unwrap_or_default())?;
        let read = Self {
            state: fields.remove("state").map(|text| wire::state(&text)).transpose()?,
            prefix: fields.remove("prefix").unwrap_or_default(),
            limit: fields.remove("limit").map(|text| limit(&text)).transpose()?,
            after: fields.remove("cursor").map(|text| place(&text)).transpose()?,
        };

        match fields.pop_first() {
            None => Ok(read),
            Some((unknown, _)) => {
                let reason = format!("`{unknown}` is not state, prefix, limit or cursor");
                Err(Error::invalid("query", reason))
            }
        }
    }

    /// The keys of this page, the oldest first, and the cursor of the next one.
    pub(super) fn page(&self, mut keys: Vec<Arc<Key>>) -> (Vec<Arc<Key>>, Option<String>) {
        keys.retain(|key| {
            self.state.is_none_or(|state| state == key.state)
                && key.name.as_str().starts_with(&self.prefix)
                && self.after.is_none_or(|after| (key.created, key.id) > after)
        });
        keys.sort_by_key(|key| (key.created, key.id));

        let limit = self.limit.unwrap_or(LIMIT);
        let goes_on = keys.len() > limit;
        keys.truncate(limit);
        let last = keys.last().filter(|_| goes_on);
        let cursor = last.map(|key| format!("{:x}-{}", key.created.0, key.id));
        (keys, cursor)
    }
}

/// The fields of a query as forms write it (`application/x-www-form-urlencoded`).
fn fields(query: &str) -> Result<BTreeMap<String, String>> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decoded(&spaced)
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| Error::invalid("query", "must be UTF-8, percent-encoded"))
    };

    let mut fields = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if fields.insert(decode(name)?, decode(value)?).is_some() {
            return Err(Error::invalid("query", "has a field twice"));
        }
    }
    Ok(fields)
}

fn limit(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(limit @ 1..=MOST) => Ok(limit),
        Ok(_) | Err(_) => Err(Error::invalid("limit", format!("must be 1 to {MOST}"))),
    }
}

fn place(text: &str) -> Result<Place> {
    let place = || {
        let (created, id) = text.split_once('-')?;
        Some((Timestamp(u64::from_str_radix(created, 16).ok()?), id.parse().ok()?))
    };

    place().ok_or_else(|| Error::invalid("cursor", "must be the next_cursor of an earlier answer"))
}

/// Keys on a page where nobody says otherwise.
const LIMIT: usize = 100;
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_as_forms_write_them() {
        let query = ListQuery::read(Some("state=released&prefix=a%2Fb+c&limit=7")).unwrap();

        assert_eq!(query.state, Some(State::Released));
        assert_eq!(query.prefix, "a/b c");
        assert_eq!(query.limit, Some(7));
        assert_eq!(ListQuery::read(None).unwrap(), ListQuery::default());
        assert_eq!(ListQuery::read(Some("&")).unwrap(), ListQuery::default());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "state=pending",
            "state=",
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=1e3",
            "cursor=",
            "cursor=zz-00",
            "cursor=1-00",
            "prefix=%ff",
            "prefix=%zz",
            "prefix=a&prefix=b",
            "states=active",
        ] {
            assert!(ListQuery::read(Some(wrong)).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_queries_never_panic(query: String) {
            drop(ListQuery::read(Some(&query)));
        }

        #[test]
        fn a_prefix_goes_there_and_back(prefix: String) {
            let encoded = percent_encoding::utf8_percent_encode(&prefix, percent_encoding::NON_ALPHANUMERIC);
            let query = ListQuery::read(Some(&format!("prefix={encoded}"))).unwrap();

            prop_assert_eq!(query.prefix, prefix);
        }
    }
}
