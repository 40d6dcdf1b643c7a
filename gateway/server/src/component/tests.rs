//! Signatures of components: what passes, and everything that does not.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A component of these bytes in a file, signed with `keys`.
fn signed(bytes: &[u8], keys: &[&SigningKey]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    let mut signatures = Signatures::default();
    keys.iter().for_each(|key| signatures.sign(bytes, key));
    fs::write(&file, bytes).unwrap();
    fs::write(file_beside(&file), signatures.to_string()).unwrap();

    (folder, file)
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

fn signers(bytes: &[u8], file: &std::path::Path, wanted: &[Signer]) -> Result<Vec<Signer>, Unsigned> {
    Signatures::beside(file)?.signers(bytes, file.display(), wanted)
}

fn refusal(bytes: &[u8], file: &std::path::Path, wanted: &SigningKey) -> Unsigned {
    let unsigned = signers(bytes, file, &[wanted.signer()]).unwrap_err();
    assert!(!unsigned.mend().is_empty());
    unsigned
}

#[test]
fn a_component_passes_that_one_of_the_keys_signed() {
    let (one, other, third) = (key(), key(), key());
    let (_folder, file) = signed(b"component", &[&one, &other]);
    let wanted = [third.signer(), other.signer()];

    assert_eq!(file_beside(&file).file_name().unwrap(), "mine.wasm.sig");
    assert_eq!(signers(b"component", &file, &wanted).unwrap(), [other.signer()]);
}

/// The first key pair of RFC 8032, section 7.1, and a component of no bytes. `openssl pkeyutl -sign -rawin` gives the same
/// for the two lines that are signed.
#[test]
fn a_file_of_signatures_is_written_as_it_is_documented() {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
               -----END PRIVATE KEY-----\n";
    let mut signatures = Signatures::default();
    signatures.sign(b"", &SigningKey::from_pem(pem).unwrap());

    assert_eq!(
        signatures.to_string(),
        "keyport component signatures 1\n\
         ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= \
         FGn19IxiQYXA1kCVR7SLsv2SMqGRMlhclm8AnuM3yO0BTKz88YW9NptK5UBYwVr2AgvTJLl4NnB1o0NMln++Cw==\n"
    );
}

#[test]
fn a_component_that_was_changed_is_refused() {
    let key = key();
    let (_folder, file) = signed(b"component", &[&key]);

    for tampered in [&b"Component"[..], b"component\0", b""] {
        let refused = refusal(tampered, &file, &key);
        assert!(matches!(refused, Unsigned::Altered { signer, .. } if signer == key.signer()), "{refused}");
        assert!(refused.to_string().contains("mine.wasm is not what ed25519:"), "{refused}");
    }
}

#[test]
fn a_signature_of_another_component_is_refused() {
    let key = key();
    let (_other_folder, other) = signed(b"another", &[&key]);
    let (_folder, file) = signed(b"component", &[&key]);
    fs::copy(file_beside(&other), file_beside(&file)).unwrap();

    let refused = refusal(b"component", &file, &key);
    assert!(refused.to_string().contains("the signature is of another component"), "{refused}");
}

#[test]
fn a_signature_by_another_key_is_refused_even_under_the_right_ones_name() {
    let (key, other) = (key(), key());
    let (_folder, file) = signed(b"component", &[&other]);
    assert!(matches!(refusal(b"component", &file, &key), Unsigned::ByOthers { .. }));

    let text = fs::read_to_string(file_beside(&file)).unwrap();
    let renamed = text.replace(&other.signer().to_string(), &key.signer().to_string());
    fs::write(file_beside(&file), renamed).unwrap();
    assert!(matches!(refusal(b"component", &file, &key), Unsigned::Altered { .. }));
}

#[test]
fn a_bare_signature_of_the_components_bytes_or_digest_is_refused() {
    let key = key();
    let (_folder, file) = signed(b"component", &[&key]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"component");

    for message in [&b"component"[..], digest.as_ref(), hex::encode(digest).as_bytes()] {
        let signature = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.sign(message));
        let text = format!("keyport component signatures 1\n{} {signature}\n", key.signer());
        fs::write(file_beside(&file), text).unwrap();
        assert!(matches!(refusal(b"component", &file, &key), Unsigned::Altered { .. }));
    }
}

#[test]
fn a_file_of_signatures_that_is_missing_or_cut_off_anywhere_is_refused_by_name() {
    let (key, other) = (key(), key());
    let (_folder, file) = signed(b"component", &[&key, &other]);
    let text = fs::read_to_string(file_beside(&file)).unwrap();
    let first = text.match_indices('\n').nth(1).unwrap().0 + 1;

    for length in (0..text.len()).filter(|length| *length != first) {
        fs::write(file_beside(&file), &text[..length]).unwrap();
        let refused = refusal(b"component", &file, &key);
        assert!(matches!(refused, Unsigned::Malformed { .. }), "{length}: {refused}");
        assert!(refused.to_string().contains("mine.wasm.sig:"), "{refused}");
    }
    fs::remove_file(file_beside(&file)).unwrap();
    let refused = refusal(b"component", &file, &key);
    assert!(
        refused.to_string().contains("there is no ") && refused.mend().contains("provider sign"),
        "{refused}"
    );
}

#[test]
fn what_stands_in_the_place_of_a_signature_is_refused_with_its_line() {
    let good = format!("{} {}", key().signer(), "A".repeat(86) + "==");
    for (text, expected) in [
        ("\n".to_owned(), "line 1: it does not begin with"),
        (format!("{good}\n"), "line 1: it does not begin with"),
        (format!("{TITLE}\n"), "line 1: no signature follows"),
        (format!("{TITLE}\n\n"), "line 2: this is no signature"),
        (format!("{TITLE}\n{good}\n# by me\n"), "line 3: this is no signature"),
        (format!("{TITLE}\n{good}\r\n"), "line 2: this is no signature"),
        (format!("{TITLE}\n{good} \n"), "line 2: this is no signature"),
        (format!("{TITLE}\n{good}\n{good}\n"), "line 3: this is a second signature"),
        (format!("{TITLE}\n{}", format!("{good}\n").replace("==", "=")), "line 2: this is no signature"),
    ] {
        let refused = text.parse::<Signatures>().unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{text:?}: {refused}");
    }
}

#[test]
fn more_signatures_than_anybody_needs_are_refused() {
    let mut signatures = Signatures::default();
    (0..64).for_each(|_| signatures.sign(b"component", &key()));
    assert_eq!(signatures.to_string().parse().as_ref(), Ok(&signatures));

    signatures.sign(b"component", &key());
    let refused = signatures.to_string().parse::<Signatures>().unwrap_err();
    assert_eq!(refused.to_string(), "line 66: there are too many signatures");
}

#[test]
fn signing_keeps_what_others_signed_and_drops_what_is_of_another_component() {
    let (one, other) = (key(), key());
    let mut signatures = Signatures::default();

    signatures.sign(b"component", &one);
    signatures.sign(b"component", &other);
    assert_eq!(signatures.valid(b"component").len(), 2);
    signatures.sign(b"the next one", &other);
    assert_eq!(signatures.valid(b"the next one"), [other.signer()]);
    assert_eq!(signatures.to_string().lines().count(), 2);
}

proptest! {
    #[test]
    fn signatures_are_read_back_as_they_were_written(component: Vec<u8>, count in 1_usize..5) {
        let mut signatures = Signatures::default();
        (0..count).for_each(|_| signatures.sign(&component, &key()));

        prop_assert_eq!(&signatures.to_string().parse::<Signatures>().unwrap(), &signatures);
        prop_assert_eq!(signatures.valid(&component).len(), count);
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_written_the_same(lines in proptest::collection::vec(line(), 0..6)) {
        let text = lines.concat();
        if let Ok(signatures) = text.parse::<Signatures>() {
            prop_assert_eq!(signatures.to_string().lines().count(), text.lines().count());
            prop_assert_eq!(&signatures.to_string().parse::<Signatures>().unwrap(), &signatures);
        }
    }

    #[test]
    fn no_bytes_panic(text: String) {
        prop_assert!(text.parse::<Signatures>().is_err());
    }
}

/// A line that is right, or nearly so.
fn line() -> impl Strategy<Value = String> {
    let signature = (any::<[u8; 32]>(), 62_usize..67).prop_map(|(signer, length)| {
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        format!("ed25519:{} {}\n", encode(&signer), encode(&vec![7; length]))
    });

    prop_oneof![Just(format!("{TITLE}\n")), signature, any::<String>()]
}

const TITLE: &str = "keyport component signatures 1";
