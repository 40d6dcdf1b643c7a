//! What a component says of its health.

use keyport_core::FailureKind;

use crate::kit::subject::Kit;
use crate::kit::verdict::{Broken, Verdict, cases, fails, succeeds};

cases! {
    "health-is-well",
    "It says that it is well while its custodian is." => is_well;
    "health-is-well-again-and-again",
    "It can be asked again and again." => is_well_again_and_again;
    "health-is-cheap",
    "It asks each custodian once at most." => is_cheap;
    "health-tells-of-a-failure",
    "It does not say that it is well while its custodian fails." => tells_of_a_failure;
    "health-comes-back",
    "It is well again once its custodian is." => comes_back;
}

async fn is_well(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;

    succeeds(kit.ask().health().await?.answer, "health")
}

async fn is_well_again_and_again(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    for _ in 0..20 {
        succeeds(kit.ask().health().await?.answer, "health")?;
    }

    Ok(())
}

async fn is_cheap(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    let before = kit.stage.counted.asked();
    succeeds(kit.ask().health().await?.answer, "health")?;
    let asked = kit.stage.counted.asked() - before;

    let custodians = u64::try_from(kit.loaded.grants.iter().count()).unwrap_or(u64::MAX);
    kit.note(format!("{asked} requests"));
    match asked <= custodians {
        true => Ok(()),
        false => Err(Broken::advised(format!("{custodians} requests at most"), format!("{asked} requests"))),
    }
}

async fn tells_of_a_failure(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    for kind in [FailureKind::Unavailable, FailureKind::OperatorNeeded, FailureKind::Credentials] {
        kit.fail(kind);
        fails(
            kit.ask().health().await?.answer,
            &format!("a failure, as its custodian says {}", kind.as_str()),
        )?;
    }

    Ok(())
}

async fn comes_back(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    kit.fail(FailureKind::Unavailable);
    drop(kit.ask().health().await?);
    kit.begin();

    succeeds(kit.ask().health().await?.answer, "health")
}
