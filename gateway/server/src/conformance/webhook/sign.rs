//! Signatures.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use keyport_core::scheme::Hash;
use serde_json::json;

use super::{KINDS, Kind, P256, ask_to_sign, hash_name, key, sign};
use crate::conformance::case::{Case, Verdict, advised, ensure};
use crate::conformance::server::{Server, key_path};
use crate::conformance::signature::{edges, r};

/// The cases of signatures.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        cases.extend(Hash::ALL.into_iter().map(|hash| good(kind, hash)));
    }
    for kind in KINDS.into_iter().take(3) {
        cases.extend(edges(Hash::Sha256).into_iter().map(|(edge, bytes)| at_edge(kind, edge, bytes)));
    }
    cases.extend([
        Case::new("sign-many", "Every one of many signatures verifies, whatever its leading bits.", many),
        Case::new("sign-nonces", "No two digests are signed with the same r.", nonces),
        Case::new(
            "sign-together",
            "Signatures that are asked for at once are each of their own digest.",
            together,
        ),
        Case::new("sign-any-base64", "A digest is read in either alphabet, padded or not.", any_base64),
        Case::new("sign-extra-field", "Fields that nobody knows are passed over.", extra_field),
        Case::new("sign-unknown-key", "A key that is not there is answered 404.", unknown_key),
        Case::new("sign-unknown-hash", "A hash that nobody has is refused.", unknown_hash),
        Case::new("sign-unknown-hash-offers", "Who asks for it is told what is offered.", hash_offers),
        Case::new("sign-wrong-length", "A digest that is not as long as its hash is refused.", wrong_length),
        Case::new("sign-not-base64", "A digest that is not base64 is refused.", not_base64),
        Case::new("sign-without-digest", "A sign without a digest is refused.", without_digest),
        Case::new("sign-without-hash", "A sign without a hash is refused.", without_hash),
    ]);
    cases
}

fn good(kind: Kind, hash: Hash) -> Case {
    let name = format!("sign-{}-{}", kind.0, hash_name(hash)).to_lowercase();
    let promise = format!("An {} key signs {} digests, and the signature verifies.", kind.0, hash_name(hash));

    Case::new(name, promise, async move |server: &Server| {
        let key = key(server, kind).await?;
        sign(server, &key, (hash, &vec![0x5a; hash.digest_len()])).await.map(|_| ())
    })
}

fn at_edge(kind: Kind, edge: &'static str, bytes: Vec<u8>) -> Case {
    let name = format!("sign-{}-{edge}", kind.0).to_lowercase();
    let promise = format!("An {} key signs a digest at the edge: {}.", kind.0, edge.replace('-', " "));

    Case::new(name, promise, async move |server: &Server| {
        let key = key(server, kind).await?;
        sign(server, &key, (Hash::Sha256, &bytes)).await.map(|_| ())
    })
}

async fn many(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    for number in 0..32 {
        sign(server, &key, (Hash::Sha256, &[number; 32])).await?;
    }
    Ok(())
}

async fn nonces(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..8 {
        let r = r(key.public.key_type(), &sign(server, &key, (Hash::Sha256, &[number; 32])).await?);
        let shown = hex::encode(&r);
        // Two signatures with one r give the private key away (FIPS 186-5, section 6.3).
        ensure(seen.insert(r), "an r that no other signature has", shown)?;
    }
    Ok(())
}

async fn together(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let digests: Vec<_> = (0..16_u8).map(|number| [number; 32]).collect();

    let signed = join_all(digests.iter().map(|digest| sign(server, &key, (Hash::Sha256, digest)))).await;
    signed.into_iter().try_for_each(|signature| signature.map(|_| ()))
}

async fn any_base64(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    // Its base64 has both characters that the two alphabets differ in.
    let digest = [0xfb; 32];

    sign(server, &key, (Hash::Sha256, &digest)).await?;
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let body = json!({ "digest": engine.encode(digest), "hash_algorithm": "SHA-256" });
        let signed = server.post(&format!("{}/sign", key_path(&key.name)), &body).await?;
        signed.survived()?;
        advised(signed.expect(200))?;
    }
    Ok(())
}

async fn extra_field(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let body = json!({ "digest": STANDARD.encode([7; 32]), "hash_algorithm": "SHA-256", "more": [null] });
    let signed = server.post(&format!("{}/sign", key_path(&key.name)), &body).await?;

    signed.survived()?;
    advised(signed.expect(200)).map(|_| ())
}

async fn unknown_key(server: &Server) -> Verdict {
    ask_to_sign(server, &server.name("nobody"), &[7; 32], "SHA-256").await?.refused(404)
}

async fn unknown_hash(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    for (hash, length) in [("SHA-1", 20), ("MD5", 16), ("SHA3-256", 32), ("none", 32), ("", 32)] {
        ask_to_sign(server, &key.name, &vec![7; length], hash).await?.refused(400)?;
    }
    Ok(())
}

async fn hash_offers(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let refused = ask_to_sign(server, &key.name, &[7; 20], "SHA-1").await?;
    let said = String::from_utf8_lossy(&refused.answer.body).to_uppercase();

    advised(ensure(said.contains("SHA-256"), "SHA-256 to be named", refused.came()))
}

async fn wrong_length(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    for (hash, length) in
        [("SHA-256", 0), ("SHA-256", 1), ("SHA-256", 31), ("SHA-256", 33), ("SHA-256", 64), ("SHA-512", 32)]
    {
        ask_to_sign(server, &key.name, &vec![7; length], hash).await?.refused(400)?;
    }
    ask_to_sign(server, &key.name, &[7; 4096], "SHA-384").await?.refused(400)
}

async fn not_base64(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let good = STANDARD.encode([7; 32]);
    for digest in ["!".repeat(44), format!("{good}!"), format!("={good}"), "é".repeat(22), "A".to_owned()] {
        let body = json!({ "digest": digest, "hash_algorithm": "SHA-256" });
        server.post(&format!("{}/sign", key_path(&key.name)), &body).await?.refused(400)?;
    }
    Ok(())
}

async fn without_digest(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let body = json!({ "hash_algorithm": "SHA-256" });

    server.post(&format!("{}/sign", key_path(&key.name)), &body).await?.refused(400)
}

async fn without_hash(server: &Server) -> Verdict {
    let key = key(server, P256).await?;
    let body = json!({ "digest": STANDARD.encode([7; 32]) });

    server.post(&format!("{}/sign", key_path(&key.name)), &body).await?.refused(400)
}
