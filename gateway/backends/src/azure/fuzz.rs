//! What holds of every parser of what a vault answers, whatever it is given: for property tests and fuzz targets.

use reqwest::Url;

use super::granted::Giver;
use super::{key, name, status, wire};
use crate::cloud;

/// What a key is called: what is taken is asked for at that very path of the vault. What another vault's is called here, is one of
/// this vault's.
pub fn name(kid: &str) {
    let keys = "https://acme.vault.azure.net/keys/";
    if let Some(rest) = name::anywhere(kid) {
        assert_eq!(name::within(keys, &format!("{keys}{rest}")), Some(rest));
    }
    let Some(rest) = name::within(keys, kid) else { return };
    assert_eq!(name::anywhere(kid), Some(rest));

    assert_eq!(kid, format!("{keys}{rest}"));
    let url = format!("{kid}/sign?api-version=7.4").parse::<Url>();
    let called = url.as_ref().map(|url| (url.host_str(), url.path(), url.query()));
    assert_eq!(
        called,
        Ok((Some("acme.vault.azure.net"), &*format!("/keys/{rest}/sign"), Some("api-version=7.4")))
    );
}

/// A key's description. Its public half, if it has one, is of its type.
pub fn key(body: &[u8]) {
    let Ok(wire::Bundle { key, .. }) = serde_json::from_slice(body) else { return };
    name(&key.kid);

    if let Some(public) = key::public(&key) {
        let described = key::described(public.key_type(), key.kty.ends_with("-HSM"));
        assert_eq!(described.as_ref().and_then(|described| described.get("kty")?.as_str()), Some(&*key.kty));
    }
}

/// A refusal, of a vault or of who gives out tokens for it: see [`cloud::fuzz`].
pub fn refused(answer: &[u8]) {
    for answer in cloud::fuzz::answers(answer) {
        cloud::fuzz::told(&status::failure(&answer));
        for giver in [Giver::Entra, Giver::Metadata] {
            giver.token(&answer, "Entra").err().iter().for_each(cloud::fuzz::told);
        }
    }
}
