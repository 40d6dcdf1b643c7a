//! Many calls at once.

use futures_util::future::join_all;
use keyport_core::provider::Loaded;

use crate::assemble::stage::{Instances, Manner};
use crate::kit::subject::{Kit, Made, ordinary, public_half, verifies};
use crate::kit::verdict::{Verdict, cases, ensure, succeeds};

cases! {
    "at-once-sixteen-signatures",
    "Sixteen signatures that are asked for at once are each over their own input." => sixteen_signatures;
    "at-once-sixteen-signatures-of-reused-instances",
    "So they are in instances that are used again." => sixteen_signatures_of_reused_instances;
    "at-once-signatures-of-several-keys",
    "Signatures that are asked for at once are each by their own key." => signatures_of_several_keys;
    "at-once-creates",
    "Eight keys that are asked for at once are eight keys." => creates;
    "at-once-public-halves",
    "Public halves that are read at once are each their own key's." => public_halves;
    "at-once-create-sign-and-destroy",
    "Keys are made and destroyed while another one signs." => create_sign_and_destroy;
}

async fn sixteen_signatures(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let made = kit.key(key_type).await?;
        all_sign(kit, &kit.loaded, &[&made; SIGNATURES]).await?;
    }

    Ok(())
}

async fn sixteen_signatures_of_reused_instances(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let reused = kit.stage.load(Manner { instances: Instances::REUSE, ..Manner::default() }).await?;

    for _ in 0..4 {
        all_sign(kit, &reused, &[&made; SIGNATURES]).await?;
    }
    Ok(())
}

async fn signatures_of_several_keys(kit: &Kit) -> Verdict {
    let mut keys = Vec::new();
    for key_type in kit.families().await? {
        keys.extend([kit.key(key_type).await?, kit.fresh(key_type).await?]);
    }

    let many: Vec<_> = keys.iter().cycle().take(SIGNATURES).collect();
    all_sign(kit, &kit.loaded, &many).await
}

async fn creates(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let made = join_all((0..8).map(|_| kit.make(key_type))).await;

    let mut halves = Vec::new();
    for made in made {
        halves.push(made?.public.der().to_vec());
    }
    halves.sort();
    halves.dedup();
    ensure(halves.len() == 8, "eight keys", || format!("{} different ones", halves.len()))
}

async fn public_halves(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let keys = [kit.key(key_type).await?, kit.fresh(key_type).await?, kit.fresh(key_type).await?];
    let many: Vec<_> = keys.iter().cycle().take(SIGNATURES).collect();
    let read = join_all(many.iter().map(|made| kit.ask().public_key(&made.key, made.told()))).await;

    for (made, tried) in many.into_iter().zip(read) {
        let read = public_half(&succeeds(tried?.answer, "a public half")?, key_type)?;
        ensure(read == made.public, "each key's own public half", || "another one".to_owned())?;
    }
    Ok(())
}

async fn create_sign_and_destroy(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let made = kit.key(key_type).await?;
    let come_and_go = join_all((0..4).map(|_| async {
        let made = kit.make(key_type).await?;
        succeeds(kit.ask().destroy(&made.key, made.told()).await?.answer, "success")
    }));
    let many = [&made; 8];
    let (gone, signed) = tokio::join!(come_and_go, all_sign(kit, &kit.loaded, &many));

    gone.into_iter().collect::<Verdict>()?;
    signed
}

/// Has all of them sign at once, each its own input.
async fn all_sign(kit: &Kit, loaded: &Loaded, keys: &[&Made]) -> Verdict {
    let sign = |(number, made): (u32, &&Made)| {
        let made = (*made).clone();
        async move {
            let scheme = kit.scheme(made.key.key_type())?;
            let input = ordinary(number);
            let signed = kit.ask().of(loaded).sign(&made.key, made.told(), (scheme, &input)).await?;
            verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
        }
    };

    join_all((0..).zip(keys).map(sign)).await.into_iter().collect()
}

/// As many as are asked for at once.
const SIGNATURES: usize = 16;
