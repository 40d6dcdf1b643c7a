//! PKCS#11 tokens, made anew for each run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use crate::bench::Bench;

/// A token, and what it runs in. All of it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Token {
    folder: PathBuf,
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// What the library must find in its environment.
    environment: Vec<(OsString, OsString)>,
    processes: Vec<Child>,
}

impl Token {
    /// A SoftHSM token; `None` where its software is not installed.
    ///
    /// It is kept in memory where the machine has such a folder: SoftHSM forces every new key to the disk.
    pub(crate) async fn softhsm(bench: &Bench, name: &str) -> Result<Option<Self>> {
        let Some(mut token) = Self::new(bench, name, SOFTHSM)? else { return Ok(None) };
        let tokens = token.folder("tokens")?;
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        let configuration = token.file("softhsm2.conf", &text)?;
        token.environment.push(("SOFTHSM2_CONF".into(), configuration.into_os_string()));

        let options = ["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN];
        token.run("softhsm2-util", options).await?;
        Ok(Some(token))
    }

    /// A TPM in software, which is slow and does one thing at a time; `None` where something is not installed.
    pub(crate) async fn tpm(bench: &Bench, name: &str) -> Result<Option<Self>> {
        let Some(mut token) = Self::new(bench, name, TPM)? else { return Ok(None) };
        if !TPM_PROGRAMS.iter().all(|program| Path::new(program).exists()) {
            return Ok(None);
        }
        let store = token.folder("store")?;
        // The resource manager and the library meet on a bus of their own, which is found by the folder that it is in.
        token.environment = vec![
            ("XDG_RUNTIME_DIR".into(), token.folder.clone().into_os_string()),
            ("TPM2_PKCS11_STORE".into(), store.clone().into_os_string()),
            ("TPM2_PKCS11_TCTI".into(), "tabrmd:bus_type=session".into()),
            ("TPM2TOOLS_TCTI".into(), "tabrmd:bus_type=session".into()),
        ];
        token.start_tpm().await?;

        let store = store.display().to_string();
        token.until_it_runs("tpm2_ptool", &["init", "--path", &store]).await?;
        let options = ["addtoken", "--pid", "1", "--label", LABEL, "--userpin", PIN, "--sopin", PIN];
        token.run("tpm2_ptool", options.into_iter().chain(["--path", &store])).await?;
        Ok(Some(token))
    }

    /// Starts the TPM, its resource manager, and the bus that leads to that.
    async fn start_tpm(&mut self) -> Result<()> {
        let state = format!("dir={}", self.folder("state")?.display());
        // The name of the control socket is the one that the resource manager expects.
        let [tpm, control, bus] = ["tpm", "tpm.ctrl", "bus"].map(|name| self.folder.join(name));
        let path = |path: &Path| format!("path={}", path.display());

        let (server, control) =
            (format!("type=unixio,{}", path(&tpm)), format!("type=unixio,{}", path(&control)));
        let options = ["socket", "--tpm2", "--tpmstate", &state, "--server", &server, "--ctrl", &control];
        let options = options.into_iter().chain(["--flags", "not-need-init,startup-clear"]);
        self.start("swtpm", options, &tpm).await?;

        let configuration = self.file("bus.conf", &BUS.replace("SOCKET", &bus.display().to_string()))?;
        let configuration = format!("--config-file={}", configuration.display());
        self.start("dbus-daemon", [&*configuration, "--nofork"], &bus).await?;
        let tcti = format!("swtpm:{}", path(&tpm));
        self.start("tpm2-abrmd", ["--session", "--allow-root", "--tcti", &tcti], &bus).await
    }

    fn new(bench: &Bench, name: &str, module: &str) -> Result<Option<Self>> {
        if !Path::new(module).exists() {
            return Ok(None);
        }
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory } else { &*bench.folder };
        let folder = folder.join(format!("keyport-bench-{name}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;

        let token = Self { folder, module: module.into(), environment: Vec::new(), processes: Vec::new() };
        fs::set_permissions(token.file("pin", PIN)?, fs::Permissions::from_mode(0o600))?;
        Ok(Some(token))
    }

    /// The file with the PIN.
    pub(crate) fn pin(&self) -> PathBuf {
        self.folder.join("pin")
    }

    /// `program`, which will see the token.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().cloned()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Runs a program to its end.
    async fn run<'o>(&self, program: &str, options: impl IntoIterator<Item = &'o str>) -> Result<()> {
        let output = self.command(Path::new(program)).args(options).output().await;
        succeeded(output.with_context(|| format!("cannot start {program}"))?).map(drop)
    }

    /// Starts a program that runs beside the token, until this file is there.
    async fn start<'o>(
        &mut self,
        program: &str,
        options: impl IntoIterator<Item = &'o str>,
        file: &Path,
    ) -> Result<()> {
        let mut command = self.command(Path::new(program));
        command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().with_context(|| format!("cannot start {program}"))?;
        self.processes.push(child);

        let begun = Instant::now();
        while !file.exists() {
            ensure!(begun.elapsed() < START, "{program} did not start");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Runs a program again until it succeeds: what it needs may still be starting.
    async fn until_it_runs(&self, program: &str, options: &[&str]) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.run(program, options.iter().copied()).await {
                Err(_not_yet) if begun.elapsed() < START => tokio::time::sleep(PAUSE).await,
                ended => return ended,
            }
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // Memory that nobody would give back; what cannot be removed now is removed by the next run.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The output of a program that must have succeeded.
pub(crate) fn succeeded(output: Output) -> Result<Output> {
    ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

/// The label of every token here.
pub(crate) const LABEL: &str = "bench";

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const TPM: &str = "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1";
const TPM_PROGRAMS: [&str; 4] =
    ["/usr/bin/dbus-daemon", "/usr/bin/swtpm", "/usr/bin/tpm2_ptool", "/usr/sbin/tpm2-abrmd"];
const PIN: &str = "12345678";
const BUS: &str = "<busconfig><type>session</type><listen>unix:path=SOCKET</listen><auth>EXTERNAL</auth>\
    <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
    <allow own=\"*\"/></policy></busconfig>\n";
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
