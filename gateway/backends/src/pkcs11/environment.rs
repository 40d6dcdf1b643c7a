//! What of the gateway's environment a module may see: what its vendor's documentation says it reads, and nothing else.

use std::ffi::{OsStr, OsString};

/// Those of `all` that a module may see: the known vendors' variables, and those that `more` names.
#[must_use]
pub fn environment(
    all: impl IntoIterator<Item = (OsString, OsString)>,
    more: &[String],
) -> Vec<(OsString, OsString)> {
    let allowed =
        |name: &OsStr| name.to_str().is_some_and(|name| passes(name) || more.iter().any(|more| more == name));

    all.into_iter().filter(|(name, _)| allowed(name)).collect()
}

fn passes(name: &str) -> bool {
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

// PATH is not among them, and nothing that the dynamic linker reads: no module needs either, and both run other code.
const EXACT: [&str; 14] = [
    // Where a user's own configuration is, for p11-kit, YubiHSM, OpenSC and tpm2-pkcs11.
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    // In which language, and at what time, a library writes its log.
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    // SoftHSM: its configuration.
    "SOFTHSM2_CONF",
    // Thales Luna: the folder with Chrystoki.conf.
    "ChrystokiConfigurationPath",
    // Yubico YubiHSM 2: yubihsm_pkcs11.conf.
    "YUBIHSM_PKCS11_CONF",
    // Kryoptic: its configuration.
    "KRYOPTIC_CONF",
    // OpenSC: opensc.conf.
    "OPENSC_CONF",
    // Nitrokey NetHSM: p11nethsm.conf.
    "P11NETHSM_CONFIG_FILE",
    // Google Cloud KMS: its library's configuration.
    "KMS_PKCS11_CONFIG",
];

const PREFIXES: [&str; 8] = [
    // p11-kit: the server's address, strictness, debugging.
    "P11_KIT_",
    // Entrust nShield: NFAST_HOME, NFAST_KMDATA, NFAST_SERVER; CKNFAST_ is its PKCS#11 library's own.
    "NFAST_",
    "CKNFAST_",
    // tpm2-pkcs11: its store, log level and the way to the TPM; TCTI settings of tpm2-tss.
    "TPM2_PKCS11_",
    "TSS2_",
    // AWS CloudHSM.
    "CLOUDHSM_",
    // Utimaco: CS_PKCS11_R2_CFG, CS_PKCS11_R3_CFG.
    "CS_PKCS11_",
    // Fortanix DSM: API endpoint and key.
    "FORTANIX_",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str], more: &[&str]) -> Vec<String> {
        let all = all.iter().map(|name| (OsString::from(name), OsString::from("x")));
        let more: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();

        environment(all, &more).into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
    }

    #[test]
    fn vendors_variables_pass() {
        let theirs = ["SOFTHSM2_CONF", "P11_KIT_SERVER_ADDRESS", "NFAST_HOME", "ChrystokiConfigurationPath"];

        assert_eq!(names(&theirs, &[]), theirs);
    }

    #[test]
    fn secrets_paths_and_linker_settings_do_not() {
        assert!(
            names(&["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "KEYPORT_PIN", "AWS_SECRET_ACCESS_KEY"], &[])
                .is_empty()
        );
    }

    #[test]
    fn what_is_named_passes_too() {
        assert_eq!(names(&["MY_HSM", "MY_OTHER"], &["MY_HSM"]), ["MY_HSM"]);
    }
}
