//! Signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use keyport_core::input::Digest;
use keyport_core::scheme::Hash;
use serde_json::json;

use super::{ES256, ask_to_sign, create, es256, sign};
use crate::conformance::answer::text;
use crate::conformance::case::{Case, Verdict, advised, ensure, skipped};
use crate::conformance::jwk::{Algorithm, url_base64};
use crate::conformance::server::Server;

/// The cases of signatures.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = Algorithm::ALL
        .into_iter()
        .map(|alg| {
            let name = format!("sign-{}", alg.0.to_lowercase());
            let promise = format!("Signatures of messages by {} verify with the public half.", alg.0);
            Case::new(name, promise, async move |server: &Server| {
                let key = create(server, &format!("sign-{}", alg.0), alg).await?;
                sign(server, &key, alg, b"header.payload").await
            })
        })
        .collect();
    cases.extend(messages().into_iter().map(|(name, promise, message)| {
        Case::new(format!("sign-message-{name}"), promise, async move |server: &Server| {
            let key = create(server, &format!("message-{name}"), es256()).await?;
            sign(server, &key, es256(), &message).await
        })
    }));
    cases.extend([
        Case::new("sign-raw", "A signature is 86 characters: r and s, base64url, no padding.", raw),
        Case::new("sign-many", "Every one of many signatures verifies, whatever its leading bits.", many),
        Case::new("sign-nonces", "No two messages are signed with the same r.", nonces),
        Case::new(
            "sign-together",
            "Signatures that are asked for at once are each of their own message.",
            together,
        ),
        Case::new(
            "sign-digest",
            "Where a server takes a digest in the place of data, it signs what was hashed.",
            digest,
        ),
        Case::new("sign-without-alg", "A signature of an ES256 key needs no alg.", without_alg),
        Case::new("sign-other-alg", "An alg that is not the key's is refused.", other_alg),
        Case::new("sign-unknown-alg", "An alg that nobody has is refused.", unknown_alg),
        Case::new("sign-unknown-key", "A key that is not there is answered 404.", unknown_key),
        Case::new("sign-unknown-key-text", "It is refused in the words that clients know.", unknown_key_text),
        Case::new("sign-without-data", "A sign without data is refused.", without_data),
        Case::new("sign-not-base64", "Data that is not base64 is refused.", not_base64),
    ]);
    cases
}

/// Messages that have been taken for something else.
fn messages() -> [(&'static str, &'static str, Vec<u8>); 6] {
    [
        ("one-byte", "A message of one byte is signed.", vec![0]),
        ("digest-sized", "A message as long as a digest is hashed all the same.", vec![7; 32]),
        ("zeros", "A message of zeros is hashed all the same.", vec![0; 32]),
        ("not-utf-8", "A message that is no text is signed.", vec![0xff, 0xfe, 0x00, 0xc3]),
        ("plus-and-slash", "A message whose base64 has + and / is signed.", vec![0xfb, 0xff, 0xbf, 0xff]),
        (
            "certificate-sized",
            "A message as long as a certificate with a chain is signed.",
            vec![0x30; 16_384],
        ),
    ]
}

async fn raw(server: &Server) -> Verdict {
    let key = create(server, "raw", es256()).await?;
    let signed = ask_to_sign(server, &key.kid, &server.contract.sign()).await?.json_with(200)?;

    let signature = text(&signed, "signature")?;
    ensure(signature.len() == 86, "86 characters", signature)?;
    url_base64(signature).map(|_| ())
}

async fn many(server: &Server) -> Verdict {
    let key = create(server, "many", es256()).await?;
    for number in 0..32 {
        sign(server, &key, es256(), &[number; 8]).await?;
    }
    Ok(())
}

async fn nonces(server: &Server) -> Verdict {
    let key = create(server, "nonces", es256()).await?;
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..8_u8 {
        let body = json!({ "data": STANDARD.encode([number; 8]), "alg": ES256 });
        let signed = ask_to_sign(server, &key.kid, &body).await?.json_with(200)?;
        let r: Vec<u8> = url_base64(text(&signed, "signature")?)?.into_iter().take(32).collect();
        let shown = hex::encode(&r);
        // Two signatures with one r give the private key away (FIPS 186-5, section 6.3).
        ensure(seen.insert(r), "an r that no other signature has", shown)?;
    }
    Ok(())
}

async fn together(server: &Server) -> Verdict {
    let key = create(server, "together", es256()).await?;
    let messages: Vec<_> = (0..16_u8).map(|number| [number; 8]).collect();

    let signed = join_all(messages.iter().map(|message| sign(server, &key, es256(), message))).await;
    signed.into_iter().collect()
}

/// An addition to the contract: gateways in front of another need it where their own callers have only digests.
async fn digest(server: &Server) -> Verdict {
    let key = create(server, "digest", es256()).await?;
    let digest = STANDARD.encode(Digest::of(Hash::Sha256, b"message").bytes());
    let reply = ask_to_sign(server, &key.kid, &json!({ "digest": digest, "alg": ES256 })).await?;
    if reply.status() == 400 {
        return skipped("it takes messages alone");
    }
    es256().1.verify(&key.jwk, b"message", &url_base64(text(&reply.json_with(200)?, "signature")?)?)?;

    let both = json!({ "digest": digest, "data": STANDARD.encode(b"message"), "alg": ES256 });
    ask_to_sign(server, &key.kid, &both).await?.refused(400)?;
    let short = STANDARD.encode([7; 31]);
    ask_to_sign(server, &key.kid, &json!({ "digest": short, "alg": ES256 })).await?.refused(400)
}

async fn without_alg(server: &Server) -> Verdict {
    let key = create(server, "no-alg", es256()).await?;
    let body = json!({ "data": STANDARD.encode(b"message") });
    let signed = ask_to_sign(server, &key.kid, &body).await?.json_with(200)?;

    es256().1.verify(&key.jwk, b"message", &url_base64(text(&signed, "signature")?)?)
}

async fn other_alg(server: &Server) -> Verdict {
    let key = create(server, "other-alg", es256()).await?;
    for alg in ["ES384", "RS256", "EdDSA"] {
        let body = json!({ "data": "AA==", "alg": alg });
        let reply = ask_to_sign(server, &key.kid, &body).await?;
        reply.survived()?;
        advised(reply.refused(400))?;
    }
    Ok(())
}

async fn unknown_alg(server: &Server) -> Verdict {
    let key = create(server, "no-such-alg", es256()).await?;
    for alg in ["none", "HS256"] {
        let body = json!({ "data": "AA==", "alg": alg });
        ask_to_sign(server, &key.kid, &body).await?.refused(400)?;
    }
    Ok(())
}

async fn unknown_key(server: &Server) -> Verdict {
    ask_to_sign(server, &server.name("nobody"), &server.contract.sign()).await?.refused(404)
}

async fn unknown_key_text(server: &Server) -> Verdict {
    let kid = server.name("nobody");
    let refused = ask_to_sign(server, &kid, &server.contract.sign()).await?;
    refused.refused(404)?;

    let (error, expected) = (refused.json()?, format!("Key not found: {kid}"));
    advised(text(&error, "error").and_then(|said| ensure(said == expected, &expected, said)))
}

async fn without_data(server: &Server) -> Verdict {
    let key = create(server, "no-data", es256()).await?;

    ask_to_sign(server, &key.kid, &json!({ "alg": ES256 })).await?.refused(400)
}

async fn not_base64(server: &Server) -> Verdict {
    let key = create(server, "not-base64", es256()).await?;
    for data in ["!!!!", "AA==!", "=AA=", "éééé", "A"] {
        ask_to_sign(server, &key.kid, &json!({ "data": data, "alg": ES256 })).await?.refused(400)?;
    }
    Ok(())
}
