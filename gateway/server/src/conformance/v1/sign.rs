//! Signatures and their verification.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use keyport_core::input::Input;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use serde_json::{Value, json};

use super::{Key, ask_to_sign, base64, key, offer, refused_as, verify};
use crate::conformance::answer::text;
use crate::conformance::case::{Case, Verdict, ensure, skipped};
use crate::conformance::jwk::url_base64;
use crate::conformance::server::Server;
use crate::conformance::signature::{self, Form, edges, r, standard_base64};

/// The cases of signatures.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = SCHEMES.into_iter().map(by_scheme).collect();
    cases.extend(edges(Hash::Sha256).into_iter().map(|(edge, bytes)| {
        let promise = format!("A digest at the edge is signed: {}.", edge.replace('-', " "));
        Case::new(format!("sign-digest-{edge}"), promise, async move |server: &Server| {
            let key = key(server, KeyType::EcP256).await?;
            signs_digest(server, &key, &bytes).await.map(|_| ())
        })
    }));
    cases.extend([
        Case::new("sign-message", "A message is hashed and signed as its digest is.", message),
        Case::new("sign-formats", "A signature comes as DER, raw or for a JWS, as it is wanted.", formats),
        Case::new("sign-unknown-format", "A format that nobody has is refused.", unknown_format),
        Case::new("sign-jose-names", "A scheme may be named as JOSE does.", jose_names),
        Case::new("sign-says-key", "A signature says which key made it.", says_key),
        Case::new("sign-nonces", "No two digests are signed with the same r.", nonces),
        Case::new(
            "sign-together",
            "Signatures that are asked for at once are each of their own digest.",
            together,
        ),
        Case::new("sign-unknown-key", "A key that is not there is answered 404.", unknown_key),
        Case::new("sign-unknown-scheme", "A scheme that nobody has is refused.", unknown_scheme),
        Case::new("sign-other-scheme", "A scheme of another type of key is refused.", other_scheme),
        Case::new("sign-wrong-length", "A digest that is as long as no hash is refused.", wrong_length),
        Case::new("sign-not-base64", "What is not base64 is refused.", not_base64),
        Case::new("sign-both", "A digest and a message at once are refused.", both),
        Case::new("sign-unknown-field", "A field that nobody knows is refused.", unknown_field),
        Case::new("verify-valid", "A signature of the key is valid.", verify_valid),
        Case::new(
            "verify-not-valid",
            "A signature of something else is not valid, which is no error.",
            verify_not_valid,
        ),
        Case::new("verify-unknown-key", "A key that is not there verifies nothing.", verify_unknown_key),
    ]);
    cases
}

fn by_scheme((key_type, scheme, name): (KeyType, Scheme, &'static str)) -> Case {
    let promise = format!("Signatures of {key_type} keys by {name} verify.");

    Case::new(format!("sign-{key_type}-{name}"), promise, async move |server: &Server| {
        let offered =
            offer(server, key_type).await?.is_some_and(|(_, schemes)| schemes.iter().any(|it| it == name));
        if !offered {
            return skipped(format!("no provider offers {name} with {key_type}"));
        }
        let key = key(server, key_type).await?;
        let body = json!({ "message": base64(MESSAGE), "scheme": name });
        let signed = ask_to_sign(server, &key.name, &body).await?.json_with(200)?;
        let signature = standard_base64(text(&signed, "signature")?)?;

        let verdict = Input::Message(MESSAGE.into()).for_scheme(scheme);
        let Ok(input) = verdict else { return skipped("no such input") };
        signature::verify(&key.public, (scheme, Form::Der), &input, &signature)
    })
}

async fn signs_digest(server: &Server, key: &Key, bytes: &[u8]) -> Verdict<Vec<u8>> {
    let signed = ask_to_sign(server, &key.name, &json!({ "digest": base64(bytes) })).await?.json_with(200)?;
    let signature = standard_base64(text(&signed, "signature")?)?;
    let input = signature::digest(Hash::Sha256, bytes)?;

    signature::verify(&key.public, (ES256, Form::Der), &input, &signature)?;
    Ok(signature)
}

async fn message(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let signed =
        ask_to_sign(server, &key.name, &json!({ "message": base64(MESSAGE), "scheme": "ES256" })).await?;
    let signature = standard_base64(text(&signed.json_with(200)?, "signature")?)?;

    signature::verify(&key.public, (ES256, Form::Der), &hashed()?, &signature)
}

async fn formats(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let ask = async |format: &str| {
        let body = json!({ "message": base64(MESSAGE), "scheme": "ES256", "format": format });
        let signed = ask_to_sign(server, &key.name, &body).await?.json_with(200)?;
        ensure(text(&signed, "format")? == format, format, signed.to_string())?;
        text(&signed, "signature").map(str::to_owned)
    };

    for (form, signature) in [
        (Form::Der, standard_base64(&ask("der").await?)?),
        (Form::Fixed, standard_base64(&ask("raw").await?)?),
        (Form::Fixed, url_base64(&ask("jws").await?)?),
    ] {
        signature::verify(&key.public, (ES256, form), &hashed()?, &signature)?;
    }
    Ok(())
}

async fn unknown_format(server: &Server) -> Verdict {
    wrong(server, json!({ "message": base64(MESSAGE), "scheme": "ES256", "format": "p1363" })).await
}

async fn jose_names(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    for name in ["ES256", "ecdsa-sha256"] {
        let body = json!({ "message": base64(MESSAGE), "scheme": name });
        let signed = ask_to_sign(server, &key.name, &body).await?.json_with(200)?;
        let signature = standard_base64(text(&signed, "signature")?)?;
        signature::verify(&key.public, (ES256, Form::Der), &hashed()?, &signature)?;
    }
    Ok(())
}

async fn says_key(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let signed = ask_to_sign(server, &key.name, &server.contract.sign()).await?.json_with(200)?;

    ensure(text(&signed, "key_id")? == key.id, &key.id, signed.to_string())?;
    ensure(text(&signed, "fingerprint")? == key.fingerprint, &key.fingerprint, signed.to_string())
}

async fn nonces(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..8 {
        let r = r(KeyType::EcP256, &signs_digest(server, &key, &[number; 32]).await?);
        let shown = hex::encode(&r);
        // Two signatures with one r give the private key away (FIPS 186-5, section 6.3).
        ensure(seen.insert(r), "an r that no other signature has", shown)?;
    }
    Ok(())
}

async fn together(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let digests: Vec<_> = (0..16_u8).map(|number| [number; 32]).collect();

    let signed = join_all(digests.iter().map(|digest| signs_digest(server, &key, digest))).await;
    signed.into_iter().try_for_each(|signature| signature.map(|_| ()))
}

async fn unknown_key(server: &Server) -> Verdict {
    let reply = ask_to_sign(server, &server.name("nobody"), &server.contract.sign()).await?;

    refused_as(&reply, (404, "key_not_found"))
}

async fn unknown_scheme(server: &Server) -> Verdict {
    for scheme in ["none", "HS256", "es256", "ecdsa-sha1", ""] {
        wrong(server, json!({ "message": base64(MESSAGE), "scheme": scheme })).await?;
    }
    Ok(())
}

async fn other_scheme(server: &Server) -> Verdict {
    for scheme in ["ES384", "RS256", "ed25519"] {
        let key = key(server, KeyType::EcP256).await?;
        let body = json!({ "message": base64(MESSAGE), "scheme": scheme });
        ask_to_sign(server, &key.name, &body).await?.refused(400)?;
    }
    Ok(())
}

async fn wrong_length(server: &Server) -> Verdict {
    for length in [0, 1, 31, 33, 65, 4096] {
        wrong(server, json!({ "digest": base64(&vec![7; length]) })).await?;
    }
    wrong(server, json!({ "digest": base64(&[7; 48]), "scheme": "ES256" })).await
}

async fn not_base64(server: &Server) -> Verdict {
    for text in ["!", "é", "A", "AA==!"] {
        wrong(server, json!({ "message": text })).await?;
        wrong(server, json!({ "digest": text })).await?;
    }
    Ok(())
}

async fn both(server: &Server) -> Verdict {
    wrong(server, json!({ "digest": base64(&[7; 32]), "message": base64(MESSAGE) })).await
}

async fn unknown_field(server: &Server) -> Verdict {
    wrong(server, json!({ "digest": base64(&[7; 32]), "schema": "ES256" })).await
}

async fn verify_valid(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let signature = signs_digest(server, &key, &[7; 32]).await?;

    let written = [base64(&signature), URL_SAFE_NO_PAD.encode(&signature)];
    for signature in written {
        let body = json!({ "digest": base64(&[7; 32]), "signature": signature });
        ensure(verify(server, &key.name, &body).await?, "valid", "not valid")?;
    }
    Ok(())
}

async fn verify_not_valid(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let signature = signs_digest(server, &key, &[7; 32]).await?;

    for (digest, signature) in [([8; 32], signature), ([7; 32], b"no signature".to_vec())] {
        let body = json!({ "digest": base64(&digest), "signature": base64(&signature) });
        ensure(!verify(server, &key.name, &body).await?, "not valid", "valid")?;
    }
    Ok(())
}

async fn verify_unknown_key(server: &Server) -> Verdict {
    let path = format!("{}/verify", crate::conformance::server::key_path(&server.name("nobody")));
    let body = json!({ "digest": base64(&[7; 32]), "signature": base64(&[7; 64]) });

    refused_as(&server.post(&path, &body).await?, (404, "key_not_found"))
}

/// That a key on P-256 refuses what is asked of it.
async fn wrong(server: &Server, body: Value) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;

    refused_as(&ask_to_sign(server, &key.name, &body).await?, (400, "invalid_request"))
}

fn hashed() -> Verdict<Input> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, MESSAGE);

    signature::digest(Hash::Sha256, digest.as_ref())
}

const ES256: Scheme = Scheme::Ecdsa(Hash::Sha256);
const MESSAGE: &[u8] = b"header.payload";

const SCHEMES: [(KeyType, Scheme, &str); 23] = [
    (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha256), "ecdsa-sha256"),
    (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha384), "ecdsa-sha384"),
    (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha512), "ecdsa-sha512"),
    (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha256), "ecdsa-sha256"),
    (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha384), "ecdsa-sha384"),
    (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha512), "ecdsa-sha512"),
    (KeyType::EcP521, Scheme::Ecdsa(Hash::Sha256), "ecdsa-sha256"),
    (KeyType::EcP521, Scheme::Ecdsa(Hash::Sha512), "ecdsa-sha512"),
    (KeyType::EcSecp256k1, Scheme::Ecdsa(Hash::Sha256), "ecdsa-sha256"),
    (KeyType::Ed25519, Scheme::Ed25519, "ed25519"),
    (KeyType::MlDsa44, Scheme::MlDsa, "ml-dsa"),
    (KeyType::MlDsa65, Scheme::MlDsa, "ml-dsa"),
    (KeyType::MlDsa87, Scheme::MlDsa, "ml-dsa"),
    (KeyType::Rsa2048, Scheme::RsaPkcs1v15(Hash::Sha256), "rsa-pkcs1v15-sha256"),
    (KeyType::Rsa2048, Scheme::RsaPkcs1v15(Hash::Sha384), "rsa-pkcs1v15-sha384"),
    (KeyType::Rsa2048, Scheme::RsaPkcs1v15(Hash::Sha512), "rsa-pkcs1v15-sha512"),
    (KeyType::Rsa2048, Scheme::RsaPss(Hash::Sha256), "rsa-pss-sha256"),
    (KeyType::Rsa2048, Scheme::RsaPss(Hash::Sha384), "rsa-pss-sha384"),
    (KeyType::Rsa2048, Scheme::RsaPss(Hash::Sha512), "rsa-pss-sha512"),
    (KeyType::Rsa3072, Scheme::RsaPkcs1v15(Hash::Sha256), "rsa-pkcs1v15-sha256"),
    (KeyType::Rsa3072, Scheme::RsaPss(Hash::Sha256), "rsa-pss-sha256"),
    (KeyType::Rsa4096, Scheme::RsaPkcs1v15(Hash::Sha256), "rsa-pkcs1v15-sha256"),
    (KeyType::Rsa4096, Scheme::RsaPss(Hash::Sha256), "rsa-pss-sha256"),
];
