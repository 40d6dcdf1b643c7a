//! What a component may import, and what each import needs.

pub(crate) mod clock;
pub(crate) mod cloud_kms;
pub(crate) mod held;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod pkcs11;
pub(crate) mod random;
pub(crate) mod settings;
pub(crate) mod soft_token;
pub(crate) mod wasi;

use keyport_core::grant::{ConnectionKind, Grants};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings;
use crate::guest::State;

/// What must be granted for an import.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Need {
    /// Something on a connection of this kind.
    Connection(ConnectionKind),
    /// WASI.
    Wasi,
}

/// An import that this host can give.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    Ours(Interface),
    Wasi(wasi::Link),
}

impl Offer {
    /// What there is for `import`, in a version that this host serves.
    pub(crate) fn of(import: &str) -> Option<Self> {
        Interface::imported(import).map(Self::Ours).or_else(|| wasi::imported(import).map(Self::Wasi))
    }

    /// What must be granted for it; `None` where it is everybody's.
    pub(crate) fn needs(self) -> Option<Need> {
        match self {
            Self::Ours(interface) => interface.needs().map(Need::Connection),
            Self::Wasi(_) => Some(Need::Wasi),
        }
    }

    /// Whether these grants are enough for it to be linked.
    pub(crate) fn is_granted(self, grants: &Grants, wasi: bool) -> bool {
        match self {
            Self::Ours(interface) => interface.is_granted(grants),
            Self::Wasi(_) => wasi,
        }
    }

    pub(crate) fn link(self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match self {
            Self::Ours(interface) => interface.link(linker),
            Self::Wasi(link) => link(linker),
        }
    }
}

/// An interface of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interface {
    Clock,
    CloudKms,
    Http,
    Log,
    Pkcs11,
    Random,
    Settings,
    SoftToken,
    Types,
}

impl Interface {
    pub(crate) const ALL: [Self; 9] = [
        Self::Clock,
        Self::CloudKms,
        Self::Http,
        Self::Log,
        Self::Pkcs11,
        Self::Random,
        Self::Settings,
        Self::SoftToken,
        Self::Types,
    ];

    /// The interface that `import` names, in a version that this host serves.
    fn imported(import: &str) -> Option<Self> {
        let (name, version) = import.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
        version.strip_prefix(VERSION)?.strip_prefix('.')?.parse::<u16>().ok()?;

        Self::ALL.into_iter().find(|interface| interface.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::CloudKms => "cloud-kms",
            Self::Http => "http",
            Self::Log => "log",
            Self::Pkcs11 => "pkcs11",
            Self::Random => "random",
            Self::Settings => "settings",
            Self::SoftToken => "soft-token",
            Self::Types => "types",
        }
    }

    /// The kinds of connection that it reaches, the usual one first; none where it is everybody's.
    pub(crate) fn kinds(self) -> &'static [ConnectionKind] {
        match self {
            Self::CloudKms => {
                &[ConnectionKind::Aws, ConnectionKind::Azure, ConnectionKind::Gcp, ConnectionKind::Vault]
            }
            Self::Http => &[ConnectionKind::Http],
            Self::Pkcs11 => &[ConnectionKind::Pkcs11],
            // Keys that are derived lie nowhere, and are otherwise made and used as those of the embedded token.
            Self::SoftToken => &[ConnectionKind::Soft, ConnectionKind::Derived],
            Self::Clock | Self::Log | Self::Random | Self::Settings | Self::Types => &[],
        }
    }

    /// The usual kind of connection that must be granted; `None` where it is everybody's.
    fn needs(self) -> Option<ConnectionKind> {
        self.kinds().first().copied()
    }

    /// Whether these grants are enough for it to be linked.
    fn is_granted(self, grants: &Grants) -> bool {
        let kinds = self.kinds();

        kinds.is_empty() || kinds.iter().any(|kind| grants.of_kind(*kind).is_some())
    }

    fn link(self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match self {
            Self::Clock => bindings::clock::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::CloudKms => bindings::cloud_kms::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Http => bindings::http::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Log => bindings::log::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Pkcs11 => bindings::pkcs11::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Random => bindings::random::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Settings => bindings::settings::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::SoftToken => bindings::soft_token::add_to_linker::<_, HasSelf<_>>(linker, State::called),
            Self::Types => bindings::types::add_to_linker::<_, HasSelf<_>>(linker, State::called),
        }
    }
}

impl bindings::types::Host for State {
    fn convert_error(&mut self, failure: keyport_core::Failure) -> wasmtime::Result<bindings::types::Error> {
        Ok(crate::convert::wit_error(&failure))
    }
}

/// The package that is served.
pub(crate) const PACKAGE: &str = "keyport:provider";

/// Its version, of which any patch is served: those only add functions.
pub(crate) const VERSION: &str = "0.1";

#[cfg(test)]
mod tests {
    use keyport_core::grant::Grant;

    use super::*;

    #[test]
    fn an_interface_is_granted_by_any_kind_that_it_reaches_and_by_no_other() {
        let granted = |interface: Interface, kind| {
            let grant = Grant { kind, ..Grant::of_requests("a".parse().unwrap(), Vec::new()) };
            interface.is_granted(&Grants::new(vec![grant]))
        };

        assert!(granted(Interface::SoftToken, ConnectionKind::Soft));
        assert!(granted(Interface::SoftToken, ConnectionKind::Derived));
        assert!(!granted(Interface::SoftToken, ConnectionKind::Pkcs11));
        assert!(!granted(Interface::Pkcs11, ConnectionKind::Derived));
        assert!(
            Interface::Log.is_granted(&Grants::default()) && !Interface::Http.is_granted(&Grants::default())
        );
    }

    #[test]
    fn an_import_is_ours_only_by_its_whole_name() {
        assert_eq!(Interface::imported("keyport:provider/log@0.1.0"), Some(Interface::Log));
        assert_eq!(Interface::imported("keyport:provider/log@0.1.7"), Some(Interface::Log));
        for other in [
            "keyport:provider/log",
            "keyport:provider/log@0.2.0",
            "keyport:provider/log@0.10.0",
            "keyport:provider/log@0.1.0-pre",
            "keyport:provider/shell@0.1.0",
            "wasi:cli/log@0.1.0",
            "log",
        ] {
            assert_eq!(Interface::imported(other), None, "{other}");
        }
    }
}
