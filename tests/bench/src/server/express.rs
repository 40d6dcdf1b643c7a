//! The Express service, as a process: npm installs it where results go.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::Server;
use crate::bench::Bench;
use crate::certificate;
use crate::key::Proof;

/// What signs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crypto {
    /// The `jose` package.
    Jose,
    /// `node:crypto`.
    Node,
}

/// The service, installed.
#[derive(Debug)]
pub(crate) struct Express {
    folder: PathBuf,
}

impl Express {
    /// Installs the service, or says why not: a machine without Node.js measures the rest.
    pub(crate) async fn install(bench: &Bench) -> Result<Self> {
        let folder = bench.folder.join("express");
        fs::create_dir_all(&folder)?;
        for (name, text) in FILES {
            fs::write(folder.join(name), text)?;
        }

        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .await
            .context("there is no npm")?;
        ensure!(npm.status.success(), "npm ci failed: {}", String::from_utf8_lossy(&npm.stderr));
        Ok(Self { folder })
    }

    /// Starts it.
    pub(crate) async fn start(&self, bench: &Bench, crypto: Crypto) -> Result<Server> {
        let (name, argument, proof) = match crypto {
            Crypto::Jose => ("Express, jose", "jose", Proof::Jws),
            Crypto::Node => ("Express, node:crypto", "node", Proof::Message),
        };
        let folder = bench.folder.join(format!("express-{argument}"));
        certificate::write(&folder)?;

        let mut command = Command::new("node");
        command.env("NODE_ENV", "production").arg(self.folder.join("server.js")).arg(&folder).arg(argument);
        Server::start(bench, name, command, &folder, proof).await
    }
}

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../express/package.json")),
    ("package-lock.json", include_str!("../../express/package-lock.json")),
    ("server.js", include_str!("../../express/server.js")),
];
