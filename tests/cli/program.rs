//! Running the compiled program, once or as a service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Far more than any of it takes, so that a hanging program fails its test.
const LIMIT: Duration = Duration::from_secs(240);

/// A folder to run the program in, with an environment in which only what a test sets is set.
pub struct Place {
    pub folder: TempDir,
    env: Vec<(String, String)>,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// With the cheapest hashes that settings allow, on an SQLite file.
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() };
        place.set("HALLPASS__PASSWORD__BCRYPT_COST", "10").set("HALLPASS__PASSWORD__HASH_THREADS", "1")
    }

    /// With a key and an issuer besides.
    pub fn with_keys() -> Self {
        let place = Self::new();
        place.write("keys.json", &place.run(&["key", "generate"]).ok().stdout);
        place.chmod("keys.json", 0o600);
        place.set("HALLPASS__KEYS__FILE", "keys.json").set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com")
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value that was set last, if any was.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_str())
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    pub fn run_with(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.write_stdin(stdin.as_ref()).timeout(LIMIT).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().expect("ended by a signal"), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// With standard output into a pipe that nobody reads any more; gives the exit status and standard error.
    pub fn run_unread(&self, args: &[&str], stdin: &[u8]) -> (i32, String) {
        let (reader, unread) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(unread).stderr(Stdio::piped()).spawn().unwrap();
        // It may have ended without reading any.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// For those who need pipes of their own.
    pub fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.current_dir(self.folder.path()).args(args).env_clear().envs(self.env.iter().cloned());
        command
    }

    /// Starts a service and waits until it listens.
    pub fn serve(&self, args: &[&str]) -> Service {
        let mut command = self.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        Service::start(command.env("RUST_LOG", "info"))
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        self.folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(self.folder.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The names of the files in the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Standard output as JSON Lines.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one message, of one line.
    #[track_caller]
    pub fn message(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.trim_end()
    }
}

/// A running service. Killed when dropped, if it has not ended by itself.
pub struct Service {
    child: Child,
    pub address: String,
    /// The lines that it logs later. They are taken at once: a service whose log nobody takes would stand still.
    log: Receiver<String>,
    /// The lines of the log up to the one that named the address.
    pub lines: Vec<Value>,
}

impl Service {
    pub fn start(command: &mut std::process::Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = channel();
        let mut service = Self { child, address: String::new(), log: receiver, lines: Vec::new() };
        while service.address.is_empty() {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the service ended: {:?}", service.lines);
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no log line: {line}"));
            if let Some(address) = line["address"].as_str() {
                service.address = address.to_owned();
            }
            service.lines.push(line);
        }
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line + "\n")));
        service
    }

    /// Standard output, taken once and read until `stop` appears.
    pub fn stdout_until(&mut self, stop: &str) -> String {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains(stop) {
            assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "no {stop:?} in {text}");
        }
        text
    }

    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    /// The status and the body of a login's answer.
    pub fn login(&self, email: &str, password: &str) -> (u16, Value) {
        let body = serde_json::json!({ "email": email, "password": password }).to_string();
        let head = format!("POST /login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let (status, body) = self.exchange(&head, &body);
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Sends a head without its last lines, and a body.
    pub fn exchange(&self, head: &str, body: &str) -> (u16, String) {
        exchange(&self.address, head, body)
    }

    /// The same, and all that comes back.
    pub fn answer(&self, head: &str, body: &str) -> String {
        answer(&self.address, head, body)
    }

    /// Reads the log up to the line that holds this text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let ended = || panic!("the service ended before it logged {text:?}");
        self.log.iter().find(|line| line.contains(text)).unwrap_or_else(ended)
    }

    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, and gives its exit status and the rest of its log.
    pub fn stop(mut self) -> (i32, String) {
        let stopped = std::process::Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(stopped.success());
        let log = self.log.iter().collect();
        (self.child.wait().unwrap().code().unwrap(), log)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: a head without its last lines, and a body.
pub fn exchange(address: &str, head: &str, body: &str) -> (u16, String) {
    let answer = answer(address, head, body);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The same, or as much as came of an answer that did not come to its end: nothing where the connection was refused.
pub fn try_exchange(address: &str, head: &str, body: &str) -> Result<(u16, String), String> {
    let answer = try_answer(address, head, body).map_err(|(came, _)| came)?;
    let whole = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let length = head.to_ascii_lowercase().split_once("\r\ncontent-length: ")?.1.split("\r\n").next()?.parse::<usize>().ok()?;
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        (body.len() == length).then(|| (status, body.to_owned()))
    };
    whole(&answer).ok_or(answer)
}

fn answer(address: &str, head: &str, body: &str) -> String {
    try_answer(address, head, body).unwrap()
}

/// All that comes back. Where that ends in an error, what had come before.
fn try_answer(address: &str, head: &str, body: &str) -> Result<String, (String, std::io::Error)> {
    let mut answer = Vec::new();
    let mut ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(format!("{head}Host: {address}\r\nConnection: close\r\n\r\n{body}").as_bytes())?;
        stream.read_to_end(&mut answer)
    };
    let outcome = ask();
    let answer = String::from_utf8(answer).unwrap();
    outcome.map(|_| answer.clone()).map_err(|error| (answer, error))
}
