//! What the service calls a key.

use keyport_core::key::NativeId;

/// Whether this is a key's Amazon Resource Name: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
pub(super) fn is_key(native_id: &NativeId) -> bool {
    region(native_id.as_str()).is_some()
        && native_id.as_str().rsplit(':').next().is_some_and(|last| last.starts_with("key/"))
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
    fn only_a_key_is_a_key() {
        for (text, is_key) in [
            ("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:eu-central-1:111122223333:alias/mine", false),
            ("arn:aws:s3:eu-central-1:111122223333:key/1234abcd", false),
            ("arn:aws:kms:eu-central-1:111122223333:key/1:2", false),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", false),
            ("0123456789abcdef0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(super::is_key(&NativeId::new(text)), is_key, "{text}");
        }
        assert_eq!(region("arn:aws:kms:eu-central-1:1:alias/x"), Some("eu-central-1"));
    }
}
