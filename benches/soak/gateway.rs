//! The program under test, as a process, and what Linux tells of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The program under test: any word of the command line with a slash names another build.
pub(crate) fn program() -> PathBuf {
    let named = std::env::args().skip(1).find(|argument| argument.contains('/'));
    named.map_or_else(|| env!("CARGO_BIN_EXE_aiapiproxy").into(), PathBuf::from)
}

/// A running program; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts it before an upstream, with limits in the syntax of the configuration file.
    pub(crate) fn start(upstream: SocketAddr, limits: &str) -> Self {
        Self::start_by(Command::new(program()), upstream, &format!("[limits]\n{limits}"))
    }

    /// Starts it by a command that may be more than the program, with a configuration file.
    pub(crate) fn start_by(mut command: Command, upstream: SocketAddr, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("soak.toml");
        fs::write(&file, config).expect("a file in it");
        let mut child = command
            .args(["serve", "--port", "0", "--config"])
            .arg(&file)
            .env_clear()
            .env("HOME", folder.path())
            .env("OPENAI_API_KEY", "sk-soak")
            .env("OPENAI_BASE_URL", format!("http://{upstream}/v1"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        let address = loop {
            let line = lines.next().expect("a line with the address").expect("a readable line");
            if let Some((_, rest)) = line.split_once("export ANTHROPIC_BASE_URL=http://") {
                break rest.trim().parse().expect("an address");
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from("/proc").join(self.child.id().to_string()).join(name)
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most that it has been since the last reset.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    pub(crate) fn reset_peak(&self) {
        drop(fs::write(self.proc("clear_refs"), "5"));
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).map_or(0, Iterator::count)
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let hundredths = |index: usize| fields.get(index).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_millis((hundredths(11) + hundredths(12)) * 10)
    }

    pub(crate) fn terminate(&self) {
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().ok().and_then(|status| status.code())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
