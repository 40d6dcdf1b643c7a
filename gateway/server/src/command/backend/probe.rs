//! `keyport backend probe`: whether a configured connection works, whatever its kind, and what its keys can do.

use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::Style;
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
                (Some(Err(why)), _) => say((FAINT, "refuses"), key_type, &why.message),
                (_, true) => tested.note(connected, key_type).await,
                (Some(Ok(())), false) => say((GOOD, "offers "), key_type, ""),
                (None, false) => say((FAINT, "untold "), key_type, ""),
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

/// Says how it is and who is there.
async fn reached(connected: &Connected) -> bool {
    let health = connected.health().await;
    let told = match &health {
        // What takes requests of any kind has no question that could be asked of it.
        Ok(_) if connected.takes_requests() => "is for providers to find out".to_owned(),
        Ok(took) => format!("{} in {}", Painted(GOOD, "well"), milliseconds(*took)),
        Err(why) => format!("{}: {}", Painted(BAD, "fails"), why.message),
    };
    print::line(format_args!("health     {told}"));
    if health.is_err() {
        return false;
    }

    let identity = connected.identity().await;
    let told = match &identity {
        Ok(Some(identity)) => identity.clone(),
        Ok(None) => Painted(FAINT, "there is nothing to tell it by").to_string(),
        Err(why) => format!("{}: {}", Painted(BAD, "fails"), why.message),
    };
    print::line(format_args!("identity   {told}"));
    identity.is_ok()
}

/// Says something of a key type.
fn say((style, word): (Style, &str), key_type: KeyType, why: &str) {
    let line = format!("  {}    {:<13} {why}", Painted(style, word), key_type.as_str());

    print::line(line.trim_end());
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
