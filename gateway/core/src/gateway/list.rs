//! Lists the keys a caller may see.

use std::sync::Arc;

use super::{Context, Gateway};
use crate::Result;
use crate::audit::Operation;
use crate::caller::{Caller, Verb};
use crate::key::{Key, State};
use crate::policy;

impl Gateway {
    /// The active keys that `caller` may list, in the order in which they were made. A failure is recorded; a list
    /// that was given is not an event.
    pub async fn list(self: &Arc<Self>, caller: &Arc<Caller>, context: Context) -> Result<Vec<Arc<Key>>> {
        let listed = self.keys.list(&caller.tenant).await.map(|mut keys| {
            keys.retain(|key| {
                key.state == State::Active && policy::allow(caller, Verb::List, &key.name).is_ok()
            });
            keys
        });

        match listed {
            Ok(keys) => Ok(keys),
            Err(error) => {
                let draft = self.draft(caller, &context, Operation::List);
                self.record(draft, Err(error), context.deadline).await
            }
        }
    }
}
