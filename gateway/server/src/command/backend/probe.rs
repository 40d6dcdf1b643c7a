//! `keyport backend probe`: whether a configured connection works, whatever its kind, and what its keys can do.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use keyport_core::name::ConnectionName;
use keyport_core::scheme::KeyType;

use crate::assemble::tryout::Connected;
use crate::command::block_on;
use crate::command::print::{self, BAD, FAINT, GOOD, Painted};
use crate::command::test_key::{self, milliseconds};
use crate::config::{Config, Environment};

/// Open a connection as the gateway would, and say what works
///
/// A gateway that runs is not disturbed: its data folder is not touched, and what it knows of the connection is not looked
/// at. A PIN is tried once, even if the gateway would not try it again. The exit code is 1 where something does not work
/// that should.
#[derive(Args, Debug)]
pub(in crate::command) struct Probe {
    /// The connection's name
    name: ConnectionName,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Make a key of each type that the custodian has, have it sign in each way, verify, and destroy it. It may cost
    /// money, and a custodian may keep destroyed keys for a while
    #[arg(long)]
    sign: bool,
}

impl Probe {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = Config::load(&self.config, &Environment::of_process())?;
        let is_well = block_on(async {
            let connected = Connected::open(&config, &self.name).await?;
            print::line(format_args!("connection `{}` of kind {}", self.name, connected.kind.as_str()));
            let is_well = self.look(&connected).await;
            connected.close().await;
            Ok(is_well)
        })?;

        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Says everything as soon as it is known: some custodians take minutes for a key.
    async fn look(&self, connected: &Connected) -> bool {
        let is_healthy = reached(connected).await;
        if !is_healthy {
            return false;
        }
        if connected.takes_requests() {
            print::line(REQUESTS);
            return true;
        }

        let mut tested = Tested::default();
        for key_type in KeyType::ALL {
            match (connected.offers(key_type).await, self.sign) {
                (Some(Err(why)), _) => refuses(key_type, &why.message),
                (_, true) => tested.note(connected, key_type).await,
                (Some(Ok(())), false) => {
                    print::line(format_args!("  {}    {key_type}", Painted(GOOD, "offers ")))
                }
                (None, false) => print::line(format_args!("  {}    {key_type}", Painted(FAINT, "untold "))),
            }
        }
        if !self.sign {
            print::line("Make a key of each, use it, and destroy it:  --sign");
            return true;
        }
        if !tested.works && !tested.fails {
            print::line("keys       of no type can be made here");
        }
        if let Some(stays) = connected.leaves().filter(|_| tested.works || tested.fails) {
            print::line(format_args!("left       {stays}"));
        }
        !tested.fails
    }
}

/// Says who is there and how it is.
async fn reached(connected: &Connected) -> bool {
    let health = connected.health().await;
    match &health {
        // What takes requests of any kind has no question that could be asked of it.
        Ok(_) if connected.takes_requests() => print::line("health     is for providers to find out"),
        Ok(took) => {
            print::line(format_args!("health     {} in {}", Painted(GOOD, "well"), milliseconds(*took)))
        }
        Err(why) => {
            print::line(format_args!("health     {}: {}", Painted(BAD, "fails"), why.message));
            return false;
        }
    }

    match connected.identity().await {
        Ok(Some(identity)) => print::line(format_args!("identity   {identity}")),
        Ok(None) => {
            print::line(format_args!("identity   {}", Painted(FAINT, "there is nothing to tell it by")))
        }
        Err(why) => {
            print::line(format_args!("identity   {}: {}", Painted(BAD, "fails"), why.message));
            return false;
        }
    }
    true
}

fn refuses(key_type: KeyType, why: &str) {
    print::line(format_args!("  {}    {:<13} {why}", Painted(FAINT, "refuses"), key_type.as_str()));
}

/// How the test keys did.
#[derive(Debug, Default)]
struct Tested {
    /// Whether there is a type that works.
    works: bool,
    /// Whether there is one that should, and does not.
    fails: bool,
}

impl Tested {
    async fn note(&mut self, connected: &Connected, key_type: KeyType) {
        let key = connected.test(key_type).await;
        test_key::lines(&key).into_iter().for_each(print::line);

        self.works |= key.works();
        self.fails |= key.is_offered() && !key.works();
    }
}

const REQUESTS: &str = "keys       are for providers to try: it sends what they word, and sees no keys; see keyport provider test --url";
