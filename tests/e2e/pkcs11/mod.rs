//! Keys on a real PKCS#11 token, through the whole gateway, on good days and bad ones.

mod child;
mod crash;
mod ed25519;
mod example;
mod hostile;
mod keys;
mod lost;
mod opening;
mod pin;
mod probe;
mod promises;
mod rebind;
mod register;
mod remote;
mod replicas;
mod spy;
mod stage;
mod token;
