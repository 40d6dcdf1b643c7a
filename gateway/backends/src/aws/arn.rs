//! What the service calls a key.

use keyport_core::key::NativeId;

/// Whether this is a key's Amazon Resource Name: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
pub(super) fn is_key(native_id: &NativeId) -> bool {
    key(native_id.as_str()).is_some()
}

/// Whether an answer is about this key: some that speak like the service name a key by its id alone.
pub(super) fn is_meant(native_id: &NativeId, told: Option<&str>) -> bool {
    told.is_some_and(|told| told == native_id.as_str() || told == id(native_id))
}

/// The key's id, which says enough within its account and region.
pub(super) fn id(native_id: &NativeId) -> &str {
    key(native_id.as_str()).unwrap_or(native_id.as_str())
}

/// What a multi-region key is called in this region; other keys are called what they are.
pub(super) fn in_region(native_id: &NativeId, region: &str) -> NativeId {
    let mut parts: Vec<_> = native_id.as_str().split(':').collect();
    let is_everywhere = key(native_id.as_str()).is_some_and(|id| id.starts_with("mrk-"));

    match parts.get_mut(3).filter(|_| is_everywhere) {
        Some(place) => {
            *place = region;
            NativeId::new(parts.join(":"))
        }
        None => native_id.clone(),
    }
}

/// The region of a key's or an alias's name, if it is a whole one.
pub(super) fn region(arn: &str) -> Option<&str> {
    parts(arn).map(|(region, _)| region)
}

/// The id in a key's name.
fn key(arn: &str) -> Option<&str> {
    let (_, resource) = parts(arn)?;

    resource.strip_prefix("key/").filter(|id| is_word(id))
}

/// The region and the resource in a name of this service's.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<_> = arn.split(':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else { return None };

    let is_whole = [partition, region, account].into_iter().all(|part| is_word(part));
    (is_whole && resource.contains('/')).then_some((*region, *resource))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::fuzz;

    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn an_answer_names_the_key_or_its_id() {
        let key = NativeId::new("arn:aws:kms:eu-central-1:1:key/12ab");

        for (told, expected) in [
            (key.as_str(), true),
            ("12ab", true),
            ("arn:aws:kms:eu-central-1:1:key/12ac", false),
            ("2ab", false),
            ("", false),
        ] {
            assert_eq!(is_meant(&key, Some(told)), expected, "{told}");
        }
        assert!(!is_meant(&key, None));
    }

    #[test]
    fn only_a_multi_region_key_has_counterparts() {
        let there = |text: &str| in_region(&NativeId::new(text), "eu-west-1").as_str().to_owned();

        assert_eq!(there("arn:aws:kms:eu-central-1:1:key/mrk-12ab"), "arn:aws:kms:eu-west-1:1:key/mrk-12ab");
        for other in
            ["arn:aws:kms:eu-central-1:1:key/12ab", "arn:aws:kms:eu-central-1:1:alias/mrk-12ab", "mrk-12ab"]
        {
            assert_eq!(there(other), other);
        }
    }

    #[test]
    fn only_a_key_is_a_key() {
        for (text, expected) in [
            (KEY, true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:eu-central-1:111122223333:alias/mine", false),
            ("arn:aws:s3:eu-central-1:111122223333:key/1234abcd", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/1:2", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/key/12ab", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/../12ab", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/12ab\n", false),
            ("arn:aws:kms::111122223333:key/12ab", false),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", false),
            ("0123456789abcdef0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(is_key(&NativeId::new(text)), expected, "{text}");
        }
        assert_eq!(region("arn:aws:kms:eu-central-1:1:alias/x"), Some("eu-central-1"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_name_is_a_keys_or_left_as_it_is(text in any::<String>()) {
            fuzz::name(&text);
        }

        #[test]
        fn a_keys_name_says_its_region_and_its_id(
            (region, account, id) in ("[a-z]{2}-[a-z]{4,9}-[1-9]", "[0-9]{12}", "(mrk-)?[0-9a-f]{32}"),
        ) {
            let key = NativeId::new(format!("arn:aws:kms:{region}:{account}:key/{id}"));

            fuzz::name(key.as_str());
            prop_assert!(is_key(&key) && is_meant(&key, Some(&id)));
            prop_assert_eq!((self::region(key.as_str()), self::id(&key)), (Some(&*region), &*id));
        }

        #[test]
        fn a_name_with_something_more_in_it_is_no_keys(
            at in 0..KEY.len(),
            more in "[:/.%?# \n\u{e4}]|:key/|%2F|\\.\\./",
        ) {
            let (before, after) = KEY.split_at(at);
            let text = format!("{before}{more}{after}");

            fuzz::name(&text);
            prop_assert!(!is_key(&NativeId::new(text)));
        }
    }
}
