//! The binary as an operator meets it: what it prints, what it leaves behind, and with which code it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// A gateway that runs until the value is dropped.
struct Gateway {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    admin: String,
}

impl Gateway {
    fn start(arguments: &[&str]) -> Self {
        let mut child = keyport(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();

        let mut line =
            |prefix: &str| stdout.next().unwrap().unwrap().strip_prefix(prefix).unwrap().to_owned();
        assert!(!line("ready https://").ends_with(":0"));
        let admin = line("admin http://");
        Self { child, stdout, stderr, admin }
    }

    fn dev(data: &Path) -> Self {
        Self::start(&["dev", "--data", data.to_str().unwrap(), "--listen", ANY, "--admin", ANY])
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Stops it, and returns what it logged since it was last read.
    fn stop(mut self) -> Vec<String> {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.stderr.by_ref().map(Result::unwrap).collect()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended, which is just as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn keyport(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyport"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    keyport(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn fails_with(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    text(&output.stderr).to_owned()
}

fn audit(data: &Path) -> String {
    let mut files: Vec<_> =
        fs::read_dir(data.join("audit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn dev_starts_on_nothing_and_once_more_on_what_it_made() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");

    let mut gateway = Gateway::dev(&data);
    assert!(gateway.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(gateway.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(gateway.stdout.by_ref().take(12).any(|line| line.unwrap().contains("curl --cacert")));
    let token = fs::read(data.join("token")).unwrap();
    gateway.stop();

    Gateway::dev(&data).stop();
    assert_eq!(fs::read(data.join("token")).unwrap(), token);
    let audit = audit(&data);
    assert_eq!((count(&audit, "\"start\""), count(&audit, "\"stop\"")), (2, 2), "{audit}");
}

#[test]
fn what_dev_made_can_be_checked_served_and_verified() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    Gateway::dev(folder.path()).stop();

    // Dev's own configuration, on free ports.
    let config = folder.path().join("keyport.toml");
    let config = config.to_str().unwrap();
    assert!(text(&run(&["check", "--config", config]).stdout).starts_with("ok "));

    let gateway = Gateway::start(&["--log", "json", "serve", "--config", config]);
    assert!(text(&run(&["audit", "verify", data]).stdout).starts_with("sound: "));
    let log = gateway.stop();
    assert!(!log.is_empty());
    for line in log {
        assert!(serde_json::from_str::<serde_json::Value>(&line).unwrap().is_object(), "{line}");
    }

    let segment = fs::read_dir(folder.path().join("audit")).unwrap().next().unwrap().unwrap().path();
    let edited = fs::read_to_string(&segment).unwrap().replace("\"stop\"", "\"sign\"");
    fs::write(&segment, edited).unwrap();
    let output = run(&["audit", "verify", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("was altered"), "{}", text(&output.stdout));
}

#[test]
fn two_gateways_cannot_share_a_folder() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::dev(folder.path());

    let data = folder.path().to_str().unwrap();
    let error = fails_with(1, &["dev", "--data", data, "--listen", ANY, "--admin", ANY]);
    assert!(error.contains("another process is using this data folder"), "{error}");
    gateway.stop();
    assert_eq!(count(&audit(folder.path()), "\"start\""), 1);
}

#[test]
fn an_address_that_is_taken_is_named_and_nothing_is_started() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();

    let data = folder.path().to_str().unwrap();
    let error = fails_with(1, &["dev", "--data", data, "--listen", &taken.to_string(), "--admin", ANY]);
    assert!(error.contains(&format!("cannot listen on {taken}")), "{error}");
    assert_eq!(count(&audit(folder.path()), "\"start\""), 0);
}

#[test]
fn certificates_are_read_again_at_sighup() {
    let folder = TempDir::new().unwrap();
    let mut gateway = Gateway::dev(folder.path());

    gateway.signal("-HUP");
    assert!(gateway.stderr.by_ref().any(|line| line.unwrap().contains("certificates reloaded")));
    fs::write(folder.path().join("server.pem"), "no certificate").unwrap();
    gateway.signal("-HUP");
    assert!(gateway.stderr.by_ref().any(|line| line.unwrap().contains("nothing is changed")));

    gateway.stop();
    let audit = audit(folder.path());
    assert_eq!(count(&audit, "\"configure\""), 2, "what is refused is on record, too");
    assert_eq!(count(&audit, "asked for by SIGHUP"), 1);
}

#[test]
fn a_master_key_is_replaced_while_the_gateway_is_stopped() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, new) = (path("keyport.toml"), path("new.key"));
    let rotate = ["master-key", "rotate", "--config", &config, "--new", &new];

    let gateway = Gateway::dev(folder.path());
    assert!(run(&["master-key", "new", &new]).status.success());
    assert!(fails_with(1, &["master-key", "new", &new]).contains("new.key"));
    assert!(fails_with(1, &rotate).contains("while the gateway is stopped"));
    gateway.stop();

    assert!(run(&rotate).status.success());
    assert!(fails_with(1, &["serve", "--config", &config]).contains("master key"));
    fs::rename(&new, path("master.key")).unwrap();
    Gateway::start(&["serve", "--config", &config]).stop();
    assert_eq!(count(&audit(folder.path()), "master key replaced"), 1);
}

#[test]
fn mistakes_end_with_code_2_and_are_all_named() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("keyport.toml");
    fs::write(&config, "data = 5\nlisten = 6\n").unwrap();

    for command in ["check", "serve"] {
        let error = fails_with(2, &[command, "--config", config.to_str().unwrap()]);
        assert!(error.contains("keyport.toml:1:") && error.contains("keyport.toml:2:"), "{error}");
    }
    assert!(fails_with(2, &["serve"]).contains("--config"));
    assert!(fails_with(1, &["serve", "--config", "/nowhere"]).contains("cannot read /nowhere"));
    assert!(fails_with(2, &["--log-level", "a=b=c", "token", "new"]).contains("--log-level"));
    assert!(text(&run(&["--version"]).stdout).starts_with("keyport "));
}

#[test]
fn a_new_token_comes_with_its_line_for_the_configuration() {
    let output = run(&["token", "new", "--name", "td's"]);

    let text = text(&output.stdout);
    assert!(text.starts_with("kp_") && text.contains("name = \"td's\"\ntokens = [\"sha256:"), "{text}");
}

const ANY: &str = "127.0.0.1:0";

#[test]
fn a_component_is_inspected_and_whatever_is_none_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let (empty, notes) = (folder.path().join("empty.wasm"), folder.path().join("notes.txt"));
    // The smallest component there is, which exports nothing.
    fs::write(&empty, b"\0asm\x0d\0\x01\0").unwrap();
    fs::write(&notes, "no component").unwrap();

    let looked = run(&["provider", "inspect", empty.to_str().unwrap()]);
    assert_eq!(looked.status.code(), Some(1));
    assert!(text(&looked.stdout).contains("size       8 bytes"), "{}", text(&looked.stdout));
    assert!(
        text(&looked.stdout).contains("refused: it has a component that does not fit"),
        "{}",
        text(&looked.stdout)
    );

    let error = fails_with(1, &["provider", "inspect", notes.to_str().unwrap()]);
    assert!(error.contains("notes.txt has a file that is not a WebAssembly component"), "{error}");
    let error = fails_with(1, &["provider", "inspect", "/nowhere.wasm"]);
    assert!(error.contains("cannot read /nowhere.wasm"), "{error}");
}

#[test]
fn a_probe_says_what_is_wrong_with_a_module_and_how_a_pin_is_given() {
    let error = fails_with(1, &["pkcs11", "probe", "--module", "/nowhere/libhsm.so"]);
    assert!(error.contains("there is no module /nowhere/libhsm.so; install"), "{error}");

    let mute = ["pkcs11", "probe", "--module", "/nowhere/libhsm.so", "--token", "a"];
    let mute = keyport(&mute).stdin(Stdio::null()).output().unwrap();
    assert!(text(&mute.stderr).contains("give --pin-file FILE, or --no-pin"), "{}", text(&mute.stderr));
    fails_with(2, &["pkcs11", "probe", "--module", "a", "--token", "a", "--slot", "1"]);
}
