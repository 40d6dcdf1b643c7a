//! WASI 0.2 for guests that are granted it: clocks, randomness, text for the log; and an environment, a standard input
//! and a file system that are empty. Nothing of it leads out of the gateway.

mod clocks;
mod random;
mod stdio;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use keyport_core::provider::Call;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliCtx, WasiCliCtxView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::{cli, clocks as clock, filesystem, io, random as chance};

use crate::guest::{Guest, State};
use crate::imports::log::Level;
use stdio::Text;

/// Adds one interface to what a component is linked with.
pub(crate) type Link = fn(&mut Linker<State>) -> wasmtime::Result<()>;

/// The link of the interface that `import` names, in a version that this host serves.
pub(crate) fn imported(import: &str) -> Option<Link> {
    let (name, version) = import.strip_prefix(NAMESPACE)?.split_once('@')?;
    version.strip_prefix(VERSION)?.parse::<u16>().ok()?;

    INTERFACES.iter().find(|(known, _)| *known == name).map(|(_, link)| *link)
}

/// What a component is to do instead that imports something of WASI which nobody is given.
pub(crate) fn instead(import: &str) -> Option<&'static str> {
    let name = import.strip_prefix(NAMESPACE)?;

    [("sockets/", NO_SOCKETS), ("http/", NO_HTTP)]
        .into_iter()
        .find_map(|(package, instead)| name.starts_with(package).then_some(instead))
}

/// What WASI keeps for one instance.
pub(crate) struct Wasi {
    cli: WasiCliCtx,
    filesystem: WasiFilesystemCtx,
    /// Streams and pollables, which may outlive a call, as those of standard output do.
    held: ResourceTable,
    /// Where the monotonic clock begins.
    began: Instant,
    stdout: Text,
    stderr: Text,
}

impl Wasi {
    fn new(guest: &Arc<Guest>, call: Option<&Call>) -> Self {
        let mut held = ResourceTable::new();
        held.set_max_capacity(RESOURCES);

        Self {
            cli: WasiCliCtx::default(),
            filesystem: WasiFilesystemCtx::default(),
            held,
            began: guest.outside.clock.now(),
            stdout: Text::new(guest, call, Level::Info),
            stderr: Text::new(guest, call, Level::Warn),
        }
    }

    /// What is written from now on is written in this call, and what was begun before is a line.
    pub(crate) fn serve(&self, call: Option<&Call>) {
        self.stdout.serve(call);
        self.stderr.serve(call);
    }
}

impl fmt::Debug for Wasi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wasi").finish_non_exhaustive()
    }
}

/// What functions of WASI work on; each call of one comes through here once, or through [`State::called`].
impl State {
    fn wasi(&mut self) -> &mut Wasi {
        self.meter.host_called();
        self.of_wasi()
    }

    fn of_wasi(&mut self) -> &mut Wasi {
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(&self.guest, self.call.as_ref())))
    }

    fn cli(&mut self) -> WasiCliCtxView<'_> {
        let wasi = self.wasi();

        WasiCliCtxView { ctx: &mut wasi.cli, table: &mut wasi.held }
    }

    fn filesystem(&mut self) -> WasiFilesystemCtxView<'_> {
        let wasi = self.wasi();

        WasiFilesystemCtxView { ctx: &mut wasi.filesystem, table: &mut wasi.held }
    }

    fn io(&mut self) -> &mut ResourceTable {
        &mut self.wasi().held
    }
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

const NAMESPACE: &str = "wasi:";

/// Its version, of which any patch is served: those only add functions.
const VERSION: &str = "0.2.";

/// What there is, by name.
const INTERFACES: [(&str, Link); 20] = [
    ("cli/environment", |linker| cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/exit", |linker| cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/stderr", |linker| cli::stderr::add_to_linker::<_, HasSelf<_>>(linker, State::called)),
    ("cli/stdin", |linker| cli::stdin::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/stdout", |linker| cli::stdout::add_to_linker::<_, HasSelf<_>>(linker, State::called)),
    ("cli/terminal-input", |linker| cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/terminal-output", |linker| cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/terminal-stderr", |linker| cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/terminal-stdin", |linker| cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("cli/terminal-stdout", |linker| cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)),
    ("clocks/monotonic-clock", |linker| {
        clock::monotonic_clock::add_to_linker::<_, HasSelf<_>>(linker, State::called)
    }),
    ("clocks/wall-clock", |linker| clock::wall_clock::add_to_linker::<_, HasSelf<_>>(linker, State::called)),
    ("filesystem/preopens", |linker| {
        filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)
    }),
    ("filesystem/types", |linker| {
        filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)
    }),
    ("io/error", |linker| io::error::add_to_linker::<_, Io>(linker, State::io)),
    ("io/poll", |linker| io::poll::add_to_linker::<_, Io>(linker, State::io)),
    ("io/streams", |linker| io::streams::add_to_linker::<_, Io>(linker, State::io)),
    ("random/insecure", |linker| chance::insecure::add_to_linker::<_, HasSelf<_>>(linker, State::called)),
    ("random/insecure-seed", |linker| {
        chance::insecure_seed::add_to_linker::<_, HasSelf<_>>(linker, State::called)
    }),
    ("random/random", |linker| chance::random::add_to_linker::<_, HasSelf<_>>(linker, State::called)),
];

const NO_SOCKETS: &str = "build it without sockets, as `--stub-wasi` of componentize-py and componentize-qjs does, and \
                          have it send its requests by `keyport:provider/http`";

const NO_HTTP: &str = "have it send its requests by `keyport:provider/http`";

/// Streams and pollables of an instance; one that waits for a time takes two. Its handles, which are fewer, are bounded
/// beside.
const RESOURCES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_of_wasi_only_by_its_whole_name() {
        for known in ["wasi:cli/environment@0.2.0", "wasi:io/streams@0.2.12", "wasi:random/random@0.2.99"] {
            assert!(imported(known).is_some(), "{known}");
        }
        for other in [
            "wasi:cli/environment",
            "wasi:cli/environment@0.3.0",
            "wasi:cli/environment@0.2.0-rc-2023-11-10",
            "wasi:cli/run@0.2.0",
            "wasi:http/types@0.2.0",
            "wasi:sockets/tcp@0.2.0",
            "keyport:cli/environment@0.2.0",
        ] {
            assert!(imported(other).is_none(), "{other}");
        }
    }
}
