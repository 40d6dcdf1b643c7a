//! The floor, as a process.

use anyhow::Result;
use tokio::process::Command;

use super::Server;
use crate::bench::Bench;
use crate::certificate;
use crate::key::{KeyType, Proof};

/// Starts the floor with a key of `key_type`.
pub(crate) async fn floor(bench: &Bench, key_type: KeyType) -> Result<Server> {
    start(bench, "floor", key_type, &[]).await
}

/// Starts the floor with a P-256 key; before each answer it appends a line to a file and forces it to the disk.
pub(crate) async fn forcing_floor(bench: &Bench) -> Result<Server> {
    start(bench, "floor and one forced write", KeyType::P256, &["--force"]).await
}

async fn start(bench: &Bench, name: &str, key_type: KeyType, more: &[&str]) -> Result<Server> {
    let folder = bench.folder.join(format!("floor-{}", key_type.argument()));
    certificate::write(&folder)?;

    let mut command = Command::new(&bench.own);
    command.args(["floor", "--key-type", key_type.argument(), "--folder"]).arg(&folder).args(more);
    Server::start(bench, name, command, &folder, Proof::Digest).await
}
