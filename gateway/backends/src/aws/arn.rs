//! What the service calls a key.

use keyport_core::key::NativeId;

/// Whether this is a key's Amazon Resource Name: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
pub(super) fn is_key(native_id: &NativeId) -> bool {
    region(native_id.as_str()).is_some()
        && native_id.as_str().rsplit(':').next().is_some_and(|last| last.starts_with("key/"))
}

/// Whether an answer is about this key: some that speak like the service name a key by its id alone.
pub(super) fn is_meant(native_id: &NativeId, told: Option<&str>) -> bool {
    told.is_some_and(|told| told == native_id.as_str() || told == id(native_id))
}

/// The key's id, which says enough within its account and region.
pub(super) fn id(native_id: &NativeId) -> &str {
    native_id.as_str().rsplit_once("key/").map_or(native_id.as_str(), |(_, id)| id)
}

/// What a multi-region key is called in this region; other keys are called what they are.
pub(super) fn in_region(native_id: &NativeId, region: &str) -> NativeId {
    let mut parts: Vec<_> = native_id.as_str().split(':').collect();
    let is_everywhere = is_key(native_id) && parts.last().is_some_and(|last| last.starts_with("key/mrk-"));

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
    let mut parts = arn.split(':');
    let is_ours = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("kms");
    let region = parts.next().filter(|_| is_ours)?;
    let (account, resource) = (parts.next()?, parts.next()?);

    let is_whole = !account.is_empty() && resource.contains('/') && parts.next().is_none();
    is_whole.then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:eu-central-1:111122223333:alias/mine", false),
            ("arn:aws:s3:eu-central-1:111122223333:key/1234abcd", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/1:2", false),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", false),
            ("0123456789abcdef0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(is_key(&NativeId::new(text)), expected, "{text}");
        }
        assert_eq!(region("arn:aws:kms:eu-central-1:1:alias/x"), Some("eu-central-1"));
    }
}
