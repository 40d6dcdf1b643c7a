//! What a component says when it is loaded again, and with settings that it does not know.

use std::collections::BTreeMap;

use crate::assemble::stage::Manner;
use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Verdict, cases, ensure, succeeds};

cases! {
    "describe-is-the-same-twice",
    "It says the same of itself whenever it is loaded." => is_the_same_twice;
    "setting-unknown-is-ignored",
    "A setting that it does not know changes nothing of what it says of itself." => unknown_is_ignored;
    "setting-unknown-does-not-trap",
    "With settings that it does not know, of any name and length, it answers, and does not trap." => unknown_does_not_trap;
    "setting-unknown-lets-it-sign",
    "With a setting that it does not know, it makes keys and signs." => unknown_lets_it_sign;
}

async fn is_the_same_twice(kit: &Kit) -> Verdict {
    let again = kit.stage.load(Manner::default()).await?;
    let (one, other) = (&kit.loaded.descriptor, &again.descriptor);

    ensure(one == other, &format!("{one:?}"), || format!("{other:?}"))
}

async fn unknown_is_ignored(kit: &Kit) -> Verdict {
    let loaded = kit.stage.load(with([("a-setting-that-nobody-knows", "1")])).await?;
    let (one, other) = (&kit.loaded.descriptor, &loaded.descriptor);

    ensure(one == other, &format!("{one:?}"), || format!("{other:?}"))
}

async fn unknown_does_not_trap(kit: &Kit) -> Verdict {
    let long = "long ".repeat(2000);
    let odd = [("", "nameless"), ("empty", ""), ("UPPER_CASE", "\u{fffd}\n\t"), ("long", long.as_str())];
    let loaded = kit.stage.load(with(odd)).await?;

    let tried = kit.ask().of(&loaded).health().await?;
    tried.without_trap("an answer, whatever the settings are").map(drop)
}

async fn unknown_lets_it_sign(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let loaded = kit.stage.load(with([("another-setting-that-nobody-knows", "true")])).await?;
    let made = kit.ask().of(&loaded).make(key_type).await?;

    let scheme = kit.scheme(key_type)?;
    let input = ordinary(0);
    let signed = kit.ask().of(&loaded).sign(&made.key, made.told(), (scheme, &input)).await?;
    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

fn with<const N: usize>(settings: [(&str, &str); N]) -> Manner {
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));

    Manner { settings: BTreeMap::from(settings), ..Manner::default() }
}
