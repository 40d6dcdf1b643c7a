//! What the process gives up before it runs a vendor's code.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal as Stop};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getegid, geteuid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::super::connection::Network;

/// Lives as long as the gateway: dies with it, even where a library hangs and nobody sees the socket close, and not before,
/// though whoever stops a service may tell every process of it to end. The gateway has calls to finish then.
pub(super) fn follow_parent() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;

    Ok(SigSet::from_iter([Stop::SIGHUP, Stop::SIGINT, Stop::SIGTERM]).thread_block()?)
}

/// Gives up privileges, dumps of its memory and, unless it is allowed, the network. The process must have one thread still.
pub(super) fn confine(network: Network) -> io::Result<()> {
    set_no_new_privs(true)?;
    if network == Network::None {
        leave_network()?;
    }

    // Its memory has the PIN: no core file, and no other process of the same user may look.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    drop_capabilities()
}

/// Moves into a network namespace of its own, which has nothing, not even a loopback that is up. Sockets in the file system
/// (p11-kit's, pcscd's) are reached as before.
fn leave_network() -> io::Result<()> {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }

    // Who is not root may do so in a user namespace, in which files belong to whom they did.
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Drops every capability. Root without any still owns its files, and opens what it owns.
fn drop_capabilities() -> io::Result<()> {
    for capability in CapabilitySet::all() {
        // Only who may set capabilities can, and who may not has none to gain; kernels differ in how many they know.
        let _not_there = remove_capability_from_bounding_set(capability);
    }

    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}
