//! Checks that a custodian has what the rows say, before a connection is bound to it anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use crate::Result;
use crate::failure::Failure;
use crate::key::{Key, State};
use crate::name::ConnectionName;

/// A key that its connection's custodian does not have as the row says.
#[derive(Clone, Debug)]
pub struct Misplaced {
    /// The key.
    pub key: Arc<Key>,
    /// What the custodian said; `None` where it has another public half.
    pub failure: Option<Failure>,
}

impl Gateway {
    /// The keys on `connection` that the custodian there does not have: none where it may take the place of the one
    /// that they were made at.
    pub async fn misplaced(&self, connection: &ConnectionName) -> Result<Vec<Misplaced>> {
        let mut misplaced = Vec::new();
        for tenant in self.keys.tenants().await? {
            let keys = self.keys.list(&tenant).await?;
            for key in keys.into_iter().filter(|key| is_alive_on(key, connection)) {
                misplaced.extend(self.where_is(key).await);
            }
        }

        Ok(misplaced)
    }

    /// What is wrong with the custodian's part of a key, if anything is.
    async fn where_is(&self, key: Arc<Key>) -> Option<Misplaced> {
        let deadline = self.outside.clock.now() + PATIENCE;

        match self.custody.public_half(&key, deadline).await {
            Ok(public) if Some(&public) == key.public.as_ref() => None,
            Ok(_other) => Some(Misplaced { key, failure: None }),
            Err(failure) => Some(Misplaced { key, failure: Some(failure) }),
        }
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key `{}` of tenant `{}` ({}): ", self.key.name, self.key.tenant, self.key.id)?;
        match &self.failure {
            None => f.write_str("the public half there is another one"),
            Some(failure) => failure.fmt(f),
        }
    }
}

/// Whether the key signs, or may sign again. What is about to be destroyed need not be there any more.
fn is_alive_on(key: &Key, connection: &ConnectionName) -> bool {
    matches!(key.state, State::Active | State::Released) && key.connection.as_ref() == Some(connection)
}

/// How long one public half may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use crate::gateway::OnDuplicate;
    use crate::testing::World;

    #[tokio::test]
    async fn a_custodian_is_the_right_one_only_while_it_has_every_live_key() {
        let world = World::new();
        let embedded = "embedded".parse().unwrap();
        let kept = world.create("kept", OnDuplicate::Conflict).await.unwrap();
        let lost = world.create("lost", OnDuplicate::Conflict).await.unwrap();
        let swapped = world.create("swapped", OnDuplicate::Conflict).await.unwrap();
        assert!(world.gateway.misplaced(&embedded).await.unwrap().is_empty());
        assert!(world.gateway.misplaced(&"other".parse().unwrap()).await.unwrap().is_empty());

        world.backend.objects.lock().unwrap().remove(&lost.id.to_string());
        world.backend.add(&swapped.id.to_string());

        let misplaced = world.gateway.misplaced(&embedded).await.unwrap();
        let named: Vec<_> = misplaced.iter().map(|misplaced| misplaced.key.id).collect();
        assert_eq!(named, [lost.id, swapped.id]);
        assert!(!named.contains(&kept.id));
        assert!(misplaced[0].to_string().contains("no object"), "{}", misplaced[0]);
        assert!(misplaced[1].to_string().ends_with("another one"), "{}", misplaced[1]);
    }
}
