//! Runs the built program in an empty environment, a home and a working directory of its own.

use super::LIVENESS;
use super::upstream::Upstream;
use super::watched::Watched;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::{fs, thread};
use tempfile::TempDir;

/// A call of the program that is being put together.
#[derive(Debug)]
#[must_use]
pub struct Program {
    executable: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    stdin_socket: Option<OwnedFd>,
    stdout_closed: bool,
    folder: TempDir,
}

/// What a finished program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Watched<Collected>,
    stderr: Watched<Collected>,
    folder: TempDir,
}

/// `serve`, listening; killed when dropped.
#[derive(Debug)]
pub struct Server {
    running: Running,
    base_url: String,
}

/// What came through a pipe so far.
#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Program {
    /// The program that cargo has built for this test.
    pub fn aiapiproxy() -> Self {
        Self::other(env!("CARGO_BIN_EXE_aiapiproxy"))
    }

    /// Any other program, for the tests of this support.
    pub fn other(executable: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(folder.path().join("home")).unwrap();
        fs::create_dir(folder.path().join("cwd")).unwrap();
        Self {
            executable: executable.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
            stdin_socket: None,
            stdout_closed: false,
            folder,
        }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    pub fn args<A: Into<OsString>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// A variable; there are no others but `HOME` and `XDG_CONFIG_HOME`.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// `OPENAI_BASE_URL` of a scripted upstream, and a key for it.
    pub fn upstream(self, upstream: &Upstream) -> Self {
        self.env("OPENAI_BASE_URL", format!("{}/v1", upstream.base_url()))
            .env("OPENAI_API_KEY", "test-upstream-key")
    }

    /// What stdin holds before it ends.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// The program's stdin is this socket, for a shell that hands it over as systemd does.
    pub fn stdin_socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.stdin_socket = Some(socket.into());
        self
    }

    /// Nobody reads stdout: the first write to it fails.
    pub fn stdout_closed(mut self) -> Self {
        self.stdout_closed = true;
        self
    }

    /// A file in the working directory (or, with `../home/…`, in the home).
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    /// The working directory.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("cwd")
    }

    /// Runs to the end.
    pub fn run(mut self) -> Output {
        let input = std::mem::take(&mut self.stdin);
        let mut running = self.start();
        running.write_in_background(input);
        running.wait()
    }

    /// Starts, with stdin open for [`Running::write`].
    pub fn start(self) -> Running {
        let home = self.folder.path().join("home");
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments).current_dir(self.folder()).env_clear();
        command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join(".config")).envs(self.environment);
        let stdout = if self.stdout_closed { broken_pipe() } else { Stdio::piped() };
        command
            .stdin(self.stdin_socket.map_or_else(Stdio::piped, Stdio::from))
            .stdout(stdout)
            .stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.executable.display()));
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        Running { stdin: child.stdin.take(), child, stdout, stderr, folder: self.folder }
    }
}

impl Running {
    /// Writes to stdin at once.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush()).expect("the program reads its stdin");
    }

    /// Ends stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until stdout holds `text`; returns all of stdout.
    pub fn wait_for_stdout(&self, text: &str) -> String {
        self.wait_for(&self.stdout, text, 1)
    }

    /// Waits until stderr holds `text`; returns all of stderr.
    pub fn wait_for_stderr(&self, text: &str) -> String {
        self.wait_for(&self.stderr, text, 1)
    }

    /// Waits until stderr holds `text` so many times; returns all of stderr.
    pub fn wait_for_stderr_times(&self, text: &str, times: usize) -> String {
        self.wait_for(&self.stderr, text, times)
    }

    /// Sends a signal, such as `INT` or `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("the command kill").success(), "kill -{name} failed");
    }

    /// The working directory.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("cwd")
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The resident memory in KiB, where the system tells (Linux).
    pub fn resident_kib(&self) -> Option<u64> {
        let status =
            fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Ends stdin and waits for the end of the program.
    pub fn wait(mut self) -> Output {
        self.close_stdin();
        // The pipes end when the process does, so there is no need to ask again and again whether it has.
        for pipe in [&self.stdout, &self.stderr] {
            let ended = pipe.wait(|pipe| pipe.ended.then_some(())).is_some();
            assert!(ended, "the program still runs after {LIVENESS:?}; its stderr: {}", text(&self.stderr));
        }
        let status = self.child.wait().expect("the exit status");
        let stdout = self.stdout.read(|pipe| String::from_utf8(pipe.bytes.clone()).expect("stdout in UTF-8"));
        Output { code: status.code(), stdout, stderr: text(&self.stderr) }
    }

    fn write_in_background(&mut self, bytes: Vec<u8>) {
        let Some(mut stdin) = self.stdin.take() else { return };
        // A program that does not read all of its input is no fault of the test.
        thread::spawn(move || stdin.write_all(&bytes));
    }

    fn wait_for(&self, pipe: &Watched<Collected>, needle: &str, times: usize) -> String {
        let seen = |pipe: &Collected| String::from_utf8_lossy(&pipe.bytes).matches(needle).count() >= times;
        let found = pipe.wait(|pipe| (seen(pipe) || pipe.ended).then(|| seen(pipe)));
        let so_far = text(pipe);
        assert_eq!(
            found,
            Some(true),
            "{needle:?} did not come; so far: {so_far}\nstderr: {}",
            text(&self.stderr)
        );
        so_far
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts `serve --port 0` with the program's further arguments, and waits until it listens.
    pub fn start(mut program: Program) -> Self {
        program.arguments.splice(..0, ["serve", "--port", "0"].map(OsString::from));
        Self::start_as_is(program)
    }

    /// Starts a program that will say on stderr where it listens.
    pub fn start_as_is(program: Program) -> Self {
        let running = program.start();
        running.wait_for_stderr("listening on http://");
        let heard = running.stderr.wait(|stderr| address(&String::from_utf8_lossy(&stderr.bytes)));
        let base_url = heard.unwrap_or_else(|| panic!("no whole address in: {}", text(&running.stderr)));
        Self { running, base_url }
    }

    /// `http://HOST:PORT`, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What the server has said on stderr so far.
    pub fn stderr(&self) -> String {
        text(&self.running.stderr)
    }

    /// The process, for signals, waiting and its memory.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    pub fn interrupt(self) -> Output {
        self.running.signal("INT");
        self.running.wait()
    }

    /// Waits for the end; send a signal before.
    pub fn wait(self) -> Output {
        self.running.wait()
    }
}

/// The address in a line that is complete, be it text or JSON.
fn address(stderr: &str) -> Option<String> {
    let (_, rest) = stderr.split_once("listening on ")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":/.[]-".contains(c)))?;
    Some(rest[..end].to_owned())
}

/// A pipe that nobody reads. It is a socket, because that can be shut down: the reading end of a plain pipe lives
/// on for a moment in any process that another test has just forked.
fn broken_pipe() -> Stdio {
    let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
    reader.shutdown(Shutdown::Both).unwrap();
    OwnedFd::from(writer).into()
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Watched<Collected> {
    let collected = Watched::new(Collected { ended: pipe.is_none(), ..Collected::default() });
    if let Some(mut pipe) = pipe {
        let shared = collected.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                shared.update(|collected| collected.bytes.extend(&buffer[..count]));
            }
            shared.update(|collected| collected.ended = true);
        });
    }
    collected
}

fn text(pipe: &Watched<Collected>) -> String {
    pipe.read(|pipe| String::from_utf8_lossy(&pipe.bytes).into_owned())
}
