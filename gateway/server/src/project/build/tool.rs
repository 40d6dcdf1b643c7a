//! The tools that build what is not Rust alone.

use std::process::{Command, Stdio};

use super::BuildError;

/// Runs a tool to its end; answers what it printed. `from` is what to install where it is not there.
pub(super) fn run(command: &mut Command, from: &'static str) -> Result<String, BuildError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|cause| BuildError::NoTool { tool: tool.clone(), from, cause })?;

    let printed = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(printed.into_owned());
    }
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let command = std::iter::once(tool.into()).chain(arguments).collect::<Vec<_>>().join(" ");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let output = format!("{}\n{}", printed.trim(), complaint.trim()).trim().to_owned();
    Err(BuildError::Failed { command, output })
}

/// The first two numbers in what a tool says of its version: `v20.1.0`, `Python 3.11.7`.
pub(super) fn version(said: &str) -> Option<(u32, u32)> {
    let digits = said.trim_start_matches(|character: char| !character.is_ascii_digit());
    let mut numbers = digits.split(|character: char| !character.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;

    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_whatever_stands_around_it() {
        for (said, read) in [
            ("v20.20.2\n", Some((20, 20))),
            ("Python 3.11.7", Some((3, 11))),
            ("v9", Some((9, 0))),
            ("4294967296.0", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(version(said), read, "{said}");
        }
    }
}
