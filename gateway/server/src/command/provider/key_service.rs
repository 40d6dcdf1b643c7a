//! `keyport provider service`: a little key service to write and try providers against.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::assemble::key_service;
use crate::command::{block_on, print};
use crate::outside::outside;
use crate::token::Token;

/// Run a little key service with a REST interface, to try providers against; its keys are gone when it ends
#[derive(Args, Debug)]
pub(in crate::command) struct Service {
    /// Where it listens, over plain HTTP: an address of this machine; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8700", value_name = "ADDR", value_parser = loopback)]
    listen: SocketAddr,
    /// The file with the token that callers must show; without it, one is made and printed
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
}

impl Service {
    pub(super) fn run(self) -> Result<ExitCode> {
        block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<()> {
        let outside = outside(Handle::current());
        let token = match &self.token_file {
            Some(file) => {
                let text = tokio::fs::read_to_string(file).await;
                let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                Token::from_text(&text).with_context(|| {
                    format!("{} holds no token: make one with `keyport token new`", file.display())
                })?
            }
            None => Token::random(&*outside.random),
        };

        let service = key_service(self.listen, &token, &outside).await?;
        let url = format!("http://{}", service.address);
        print::line(format!("ready {url}"));
        if self.token_file.is_none() {
            print::line(format!("token {}", token.expose()));
        }
        let (_going_on, stop) = watch::channel(false);
        service.serve(stop).await;
        Ok(())
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_bad| "write an address and a port: 127.0.0.1:8700".to_owned())?;

    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err("it speaks plain HTTP, and so only to this machine: 127.0.0.1:8700".to_owned()),
    }
}
