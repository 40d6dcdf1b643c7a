//! The floor, as a process.

use anyhow::Result;
use tokio::process::Command;

use super::Server;
use crate::bench::Bench;
use crate::certificate;
use crate::key::{KeyType, Proof};

/// Starts the floor with a key of `key_type`.
pub(crate) async fn floor(bench: &Bench, key_type: KeyType) -> Result<Server> {
    let folder = bench.folder.join(format!("floor-{}", key_type.argument()));
    certificate::write(&folder)?;

    let mut command = Command::new(&bench.own);
    command.args(["floor", "--key-type", key_type.argument(), "--folder"]).arg(&folder);
    Server::start(bench, "floor", command, &folder, Proof::Digest).await
}
