//! Which gateway is meant, and who asks: from the command line, or from a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use keyport_core::secret::Secret;
use serde::Deserialize;

use crate::client::Target;

/// Where the gateway is.
#[derive(Args, Debug)]
pub(super) struct Where {
    /// The gateway, an https:// URL; the contract is at /v1 where it has no path
    #[arg(long, global = true)]
    url: Option<String>,
    /// Who vouches for its certificate, PEM
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The caller's bearer token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A TOML file with url, ca and token-file for what is not given here
    #[arg(long, global = true, value_name = "FILE")]
    profile: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Profile {
    url: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

impl Where {
    /// What is given here, and the rest from the profile.
    pub(super) fn resolve(self) -> Result<Target> {
        let profile = self.profile.as_deref().map(Profile::load).transpose()?.unwrap_or_default();
        let url = self.url.or(profile.url).context("no gateway is named: add --url or --profile")?;
        let ca = self.ca.or(profile.ca).context("nobody vouches for the gateway: add --ca or --profile")?;
        let token = self.token_file.or(profile.token_file);
        let token = token.context("nobody asks: add --token-file or --profile")?;

        let text =
            std::fs::read_to_string(&token).with_context(|| format!("cannot read {}", token.display()))?;
        let token = Secret::new(text.trim().as_bytes().to_vec());
        Ok(Target { url, usual_path: "/v1", ca: Some(ca), token: Some(token), identity: None })
    }
}

impl Profile {
    /// Reads a file; paths in it are relative to its folder.
    fn load(file: &Path) -> Result<Self> {
        let wrong = || format!("cannot read the profile {}", file.display());
        let text = std::fs::read_to_string(file).with_context(wrong)?;
        let Self { url, ca, token_file } = toml::from_str(&text).with_context(wrong)?;

        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let placed = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Ok(Self { url, ca: placed(ca), token_file: placed(token_file) })
    }
}
