//! Cases of many requests at once.

use futures_util::future::join_all;

use super::answer::Reply;
use super::case::{Case, Verdict, ensure};
use super::server::{Server, key_path};

/// The same for every contract.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("creates-at-once", "Keys that are asked for at once are all made.", creates_at_once),
        Case::new(
            "creates-of-one-name",
            "Creates of one name at once make one key, or refuse.",
            creates_of_one_name,
        ),
        Case::new(
            "signatures-at-once",
            "Signatures that are asked for at once are all made.",
            signatures_at_once,
        ),
        Case::new("give-ups-at-once", "A key that is given up twice at once is given up.", give_ups_at_once),
    ]
}

async fn creates_at_once(server: &Server) -> Verdict {
    let names: Vec<_> = (0..AT_ONCE).map(|number| format!("at-once-{number}")).collect();

    for created in join_all(names.iter().map(|end| server.create(end))).await {
        server.sign(&created?).await?.expect(200)?;
    }
    Ok(())
}

async fn creates_of_one_name(server: &Server) -> Verdict {
    let name = server.name("at-once");
    let body = server.contract.create(&name);

    let (mut made, creates) = (0, (0..AT_ONCE).map(|_| server.post("/keys", &body)));
    for created in join_all(creates).await {
        let created = created?;
        let expected = created.expected(&format!("{} or 409", server.contract.created()));
        let is_made = created.status() == server.contract.created();
        ensure(is_made || created.status() == 409, &expected, created.came())?;
        made += usize::from(is_made);
    }
    ensure(made > 0, "one key at least", "none")?;
    server.sign(&name).await?.expect(200).map(|_| ())
}

async fn signatures_at_once(server: &Server) -> Verdict {
    let name = server.create("signs-at-once").await?;
    let path = format!("{}/sign", key_path(&name));
    let body = server.contract.sign();

    let signed: Vec<Reply> = join_all((0..AT_ONCE).map(|_| server.post(&path, &body)))
        .await
        .into_iter()
        .collect::<Verdict<_>>()?;
    signed.iter().try_for_each(|reply| reply.expect(200).map(|_| ()))
}

async fn give_ups_at_once(server: &Server) -> Verdict {
    let name = server.create("given-up-at-once").await?;

    let mut is_given_up = false;
    for given_up in join_all([server.give_up(&name), server.give_up(&name)]).await {
        let given_up = given_up?;
        given_up.survived()?;
        is_given_up |= given_up.is_success();
    }
    ensure(is_given_up, "2xx to one of them at least", "none")
}

const AT_ONCE: usize = 8;
