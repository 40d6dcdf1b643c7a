//! A gateway in a process of its own: how it is started and ended, what it is asked, and what it leaves behind.

pub(crate) mod api;
mod audit;
mod client;
mod folder;
mod gateway;
mod guest;
pub(crate) mod killed;
pub(crate) mod load;
mod site;
mod stored;
mod tool;
mod verify;
mod wait;
mod webhook;
mod wire;

pub(crate) use audit::{Entry, destroyed, entries, entry_of, segments};
pub(crate) use client::{Answer, Client, Protocol, Server};
pub(crate) use folder::copy;
pub(crate) use gateway::{Ended, Gateway};
pub(crate) use guest::{digest_of, hostile_component, http_component};
pub(crate) use site::{Authority, Plan, Site, hostile, soft, tenant, token_of};
pub(crate) use stored::Stored;
pub(crate) use tool::{KEYPORT, keyport, run, tool};
pub(crate) use verify::{Hash, fingerprint, openssl_accepts, verifies};
pub(crate) use wait::{eventually, within};
pub(crate) use webhook::{Key, Webhook, signature};
pub(crate) use wire::Wire;
