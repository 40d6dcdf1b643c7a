//! Inputs at the edges of what can be signed.

use keyport_core::FailureKind;
use keyport_core::input::Input;
use keyport_core::scheme::{Hash, KeyType, Scheme};

use crate::kit::subject::{Kit, digest, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, succeeds};

cases! {
    "sign-a-digest-of-zeros",
    "A digest of nothing but zeros is signed as any other." => of_zeros;
    "sign-a-digest-of-ones",
    "A digest of nothing but ones, which is more than a curve's order, is signed as any other." => of_ones;
    "sign-a-digest-with-leading-zeros",
    "The zeros that a digest begins with are not lost." => with_leading_zeros;
    "sign-a-digest-with-a-last-bit",
    "A digest whose last bit alone is set is signed as any other." => with_a_last_bit;
    "sign-a-digest-with-trailing-zeros",
    "The zeros that a digest ends with are not lost." => with_trailing_zeros;
    "sign-an-empty-message",
    "Where messages are signed, an empty one is, too." => an_empty_message;
    "sign-a-message-of-one-byte",
    "Where messages are signed, one of a single byte is, too, whichever it is." => a_message_of_one_byte;
    "sign-a-message-as-long-as-a-digest",
    "A message is not taken for a digest because it is as long as one." => a_message_as_long_as_a_digest;
    "sign-the-longest-message",
    "The longest message that it says it signs is signed." => the_longest_message;
    "sign-a-message-of-every-byte",
    "A message may hold any bytes: zeros, line ends, no UTF-8." => a_message_of_every_byte;
}

async fn of_zeros(kit: &Kit) -> Verdict {
    digests(kit, |_, byte| *byte = 0).await
}

async fn of_ones(kit: &Kit) -> Verdict {
    digests(kit, |_, byte| *byte = 0xff).await
}

async fn with_leading_zeros(kit: &Kit) -> Verdict {
    digests(kit, |place, byte| *byte = if place < 8 { 0 } else { 0xa5 }).await
}

async fn with_a_last_bit(kit: &Kit) -> Verdict {
    digests_of(kit, |hash| {
        let mut bytes = vec![0; hash.digest_len() - 1];
        bytes.push(1);
        bytes
    })
    .await
}

async fn with_trailing_zeros(kit: &Kit) -> Verdict {
    digests(kit, |place, byte| *byte = if place < 8 { 0xa5 } else { 0 }).await
}

async fn an_empty_message(kit: &Kit) -> Verdict {
    messages(kit, &[Vec::new()]).await
}

async fn a_message_of_one_byte(kit: &Kit) -> Verdict {
    messages(kit, &[vec![0], vec![b'\n'], vec![0x7f], vec![0xff]]).await
}

async fn a_message_as_long_as_a_digest(kit: &Kit) -> Verdict {
    messages(kit, &Hash::ALL.map(|hash| vec![0x5a; hash.digest_len()])).await
}

async fn the_longest_message(kit: &Kit) -> Verdict {
    let longest = kit.loaded.descriptor.max_message;
    if longest > ENOUGH {
        kit.note(format!("{ENOUGH} bytes of the {longest} that it says were tried"));
    }

    messages(kit, &[vec![0x42; longest.min(ENOUGH)]]).await
}

async fn a_message_of_every_byte(kit: &Kit) -> Verdict {
    messages(kit, &[(0..=u8::MAX).collect()]).await
}

/// Signs digests whose bytes `fill` makes.
async fn digests(kit: &Kit, fill: fn(usize, &mut u8)) -> Verdict {
    digests_of(kit, |hash| {
        let mut bytes = vec![0; hash.digest_len()];
        bytes.iter_mut().enumerate().for_each(|(place, byte)| fill(place, byte));
        bytes
    })
    .await
}

/// Signs such digests by every scheme of every key type that takes one.
async fn digests_of(kit: &Kit, bytes: impl Fn(Hash) -> Vec<u8>) -> Verdict {
    let (mut any, mut hashes) = (false, false);
    for key_type in kit.key_types().await? {
        for scheme in kit.schemes(key_type) {
            let Some(hash) = scheme.hash() else { continue };
            if kit.loaded.descriptor.is_handed_messages(scheme) {
                hashes = true;
                continue;
            }
            any = true;
            signs(kit, key_type, scheme, &digest(hash, &bytes(hash))?).await?;
        }
    }

    match (any, hashes) {
        (true, _) => Ok(()),
        (false, true) => Err(Broken::skipped("its custodian hashes by itself")),
        (false, false) => Err(Broken::skipped("it signs messages alone")),
    }
}

/// Signs such messages by every scheme of every key type that takes one.
async fn messages(kit: &Kit, messages: &[Vec<u8>]) -> Verdict {
    let mut any = false;
    for key_type in kit.key_types().await? {
        for scheme in kit.schemes(key_type) {
            if scheme.hash().is_some() && !kit.loaded.descriptor.is_handed_messages(scheme) {
                continue;
            }
            any = true;
            for message in
                messages.iter().filter(|message| message.len() <= kit.loaded.descriptor.max_message)
            {
                signs(kit, key_type, scheme, &Input::Message(message.as_slice().into())).await?;
            }
        }
    }

    if any { Ok(()) } else { Err(Broken::skipped("it signs digests alone")) }
}

async fn signs(kit: &Kit, key_type: KeyType, scheme: Scheme, input: &Input) -> Verdict {
    let made = kit.key(key_type).await?;
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, input)).await?;
    let is_beyond = signed.is_beyond_its_custodian(kit) || signed.is_refused(FailureKind::InvalidArgument);
    if input.length() == 0 && is_beyond {
        return Err(Broken::skipped("its custodian signs no empty message"));
    }
    if signed.is_lacking() {
        kit.note(format!("its custodian lacks {scheme}"));
        return Ok(());
    }

    succeeds(signed.answer, "a signature")
        .and_then(|answer| verifies(&made.public, scheme, input, &answer))
        .map_err(|broken| broken.about(&format!("{scheme} with a key of type {key_type}")))
}

/// Bytes of the longest message that is tried.
const ENOUGH: usize = 1 << 20;
