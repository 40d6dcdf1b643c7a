//! What a token says once its signature was found good (RFC 7519, section 4.1).

use std::time::Duration;

use keyport_core::outside::Timestamp;
use serde_json::Value;

use super::super::Denial;

/// All that a token says.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Value);

impl Claims {
    /// The text under `name`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whether the claim at `path` is `wanted`, or a list with `wanted` in it; `scope` is a list with spaces (RFC 8693,
    /// section 4.2). A path is a claim's name, or a JSON pointer (RFC 6901) where it begins with `/`.
    pub(super) fn has(&self, path: &str, wanted: &str) -> bool {
        let claim = if path.starts_with('/') { self.0.pointer(path) } else { self.0.get(path) };

        claim.is_some_and(|claim| {
            claim.as_str().is_some_and(|text| {
                text == wanted || (path == SCOPE && text.split(' ').any(|one| one == wanted))
            }) || claim.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(wanted)))
        })
    }

    /// When the token expires, if it is valid `now`, clocks being `leeway` apart.
    pub(super) fn valid(&self, now: Timestamp, leeway: Duration) -> Result<Timestamp, Denial> {
        let until = self.time("exp")?.ok_or(Denial::Malformed)?;
        if now >= until.plus(leeway) {
            return Err(Denial::Expired);
        }
        for begin in ["nbf", "iat"] {
            if self.time(begin)?.is_some_and(|begin| begin > now.plus(leeway)) {
                return Err(Denial::NotYetValid);
            }
        }

        Ok(until)
    }

    /// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
    fn time(&self, name: &str) -> Result<Option<Timestamp>, Denial> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let since_1970 = match value.as_u64() {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };

        since_1970.map(|since| Some(Timestamp(0).plus(since))).ok_or(Denial::Malformed)
    }
}

const SCOPE: &str = "scope";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const LEEWAY: Duration = Duration::from_secs(30);

    fn valid(claims: Value) -> Result<Timestamp, Denial> {
        Claims(claims).valid(NOW, LEEWAY)
    }

    #[test]
    fn a_token_is_good_in_its_time_and_a_little_around_it() {
        let now = 1_800_000_000;

        for (claims, expected) in [
            (json!({ "exp": now + 1 }), Ok(())),
            (json!({ "exp": now - 29 }), Ok(())),
            (json!({ "exp": now - 30 }), Err(Denial::Expired)),
            (json!({ "exp": now + 60, "nbf": now + 30, "iat": now + 30 }), Ok(())),
            (json!({ "exp": now + 60, "nbf": now + 31 }), Err(Denial::NotYetValid)),
            (json!({ "exp": now + 60, "iat": now + 31 }), Err(Denial::NotYetValid)),
            (json!({ "exp": 1.8e9 + 0.5 }), Ok(())),
            (json!({ "exp": u64::MAX }), Ok(())),
            (json!({}), Err(Denial::Malformed)),
            (json!({ "exp": "1800000060" }), Err(Denial::Malformed)),
            (json!({ "exp": -1 }), Err(Denial::Malformed)),
            (json!({ "exp": 1e300 }), Err(Denial::Malformed)),
            (json!({ "exp": now + 60, "nbf": null }), Err(Denial::Malformed)),
        ] {
            assert_eq!(valid(claims.clone()).map(drop), expected, "{claims}");
        }
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_a_path() {
        let claims = Claims(json!({
            "kubernetes.io": { "namespace": "spire" },
            "groups": ["a", "b"],
            "a/b": "c",
            "scope": "sign list",
        }));

        assert!(claims.has("/kubernetes.io/namespace", "spire"));
        assert!(claims.has("groups", "b"));
        assert!(claims.has("a/b", "c"));
        assert!(claims.has("scope", "list") && claims.has("scope", "sign list"));
        for (path, wanted) in [
            ("groups", "c"),
            ("scope", "lis"),
            ("a/b", ""),
            ("kubernetes.io", "spire"),
            ("/groups/7", "a"),
            ("nothing", ""),
        ] {
            assert!(!claims.has(path, wanted), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_number_panics(exp in any::<f64>(), nbf in any::<i64>(), leeway in 0_u64..300) {
            let claims = Claims(json!({ "exp": exp, "nbf": nbf }));
            if let Ok(until) = claims.valid(NOW, Duration::from_secs(leeway)) {
                prop_assert!(NOW < until.plus(Duration::from_secs(leeway)));
            }
        }
    }
}
