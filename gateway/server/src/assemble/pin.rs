//! PINs, from where the configuration says they are.

use std::io::{self, ErrorKind, IsTerminal};

use anyhow::{Context, Result, bail};
use keyport_backends::secret_file;
use keyport_core::name::ConnectionName;
use keyport_core::secret::Secret;
use zeroize::Zeroizing;

use crate::config::Pin;

/// The PIN for a connection. Blocks while somebody types it.
pub(super) fn read(connection: &ConnectionName, pin: &Pin) -> Result<Secret> {
    let pin = match pin {
        Pin::File(file) => one_line(&secret_file::read(file, "the PIN", LONGEST)?),
        Pin::Environment(pin) => pin.clone(),
        Pin::Prompt => typed(connection)?,
    };
    if pin.expose().is_empty() {
        bail!("connection `{connection}`: the PIN is empty");
    }

    Ok(pin)
}

/// The text without the line's end that editors and `echo` leave.
pub(super) fn one_line(text: &Zeroizing<String>) -> Secret {
    let line = text.strip_suffix('\n').unwrap_or(text);

    Secret::new(line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec())
}

fn typed(connection: &ConnectionName) -> Result<Secret> {
    if !io::stdin().is_terminal() {
        bail!(
            "connection `{connection}`: nobody can be asked for the PIN, as this is no terminal; \
             write file = \"pin\" in [connection.pin] instead"
        );
    }

    let typed = rpassword::prompt_password(format!("PIN of connection `{connection}`: "));
    match typed {
        Ok(pin) => Ok(Secret::new(Zeroizing::new(pin).as_bytes().to_vec())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => bail!("no PIN was typed"),
        Err(error) => Err(error).context("the PIN cannot be read from the terminal"),
    }
}

/// Bytes that are read of a file: more than any token's PIN has.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_end_of_the_line_is_no_part_of_a_pin_and_a_space_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("pin");

        for (text, pin) in
            [("1234\n", "1234"), ("1234\r\n", "1234"), ("1234", "1234"), ("12 34 \n", "12 34 ")]
        {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();

            let read = read(&"hsm".parse().unwrap(), &Pin::File(file.clone())).unwrap();
            assert_eq!(read.expose(), pin.as_bytes());
        }
    }

    #[test]
    fn an_empty_pin_is_a_mistake() {
        let read = read(&"hsm".parse().unwrap(), &Pin::Environment(Secret::new(Vec::new())));

        assert_eq!(read.unwrap_err().to_string(), "connection `hsm`: the PIN is empty");
    }
}
