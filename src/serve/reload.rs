//! Files that are read again while the process runs: on SIGHUP, and when they have changed.
//!
//! Looking every two seconds works wherever a file can come from: edited in place, renamed over, or a symbolic link that an orchestrator turns
//! to another folder. What cannot be used is said once, and the state before it stays.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Reads files and puts to use what is in them. `Ok(Some)` says what is in use from now on, `Ok(None)` that it is what was in use before, and
/// an error why nothing has changed, without secrets.
type Read = dyn FnMut() -> Result<Option<String>, String> + Send;

/// What is read again, and when. It goes on as long as it runs.
pub struct Reload {
    watched: Vec<Watched>,
    hangup: Option<Signal>,
}

struct Watched {
    what: &'static str,
    files: Vec<PathBuf>,
    read: Box<Read>,
    seen: Vec<Option<Stamp>>,
    /// Once more at the next look: a file that was changed twice within a tick of its clock looks as if it were changed once.
    is_fresh: bool,
}

/// What changes when a file does. None: it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why files are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Time,
    Hangup,
}

impl Reload {
    /// Reads nothing yet. From here on SIGHUP does not end the process. To be called inside the runtime.
    pub fn new() -> Self {
        let hangup = signal(SignalKind::hangup());
        let hangup =
            hangup.inspect_err(|error| log::error!("cannot listen for SIGHUP, so files are read again only when they change: {error}"));
        Self { watched: Vec::new(), hangup: hangup.ok() }
    }

    /// Calls `read` on SIGHUP, and when one of `files` has changed. It may be called for nothing, and soon after the start it is: the files
    /// may have changed since they were read first. It runs on a thread where it may wait for the disk. `what` begins a line of the log.
    pub fn add(&mut self, what: &'static str, files: Vec<PathBuf>, read: impl FnMut() -> Result<Option<String>, String> + Send + 'static) {
        self.watched.push(Watched { what, files, read: Box::new(read), seen: Vec::new(), is_fresh: false });
    }

    /// Reads again for as long as the process lives.
    pub async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reason = tokio::select! {
                _ = ticks.tick() => Reason::Time,
                () = hung_up(&mut self.hangup) => Reason::Hangup,
            };
            let mut watched = std::mem::take(&mut self.watched);
            let looked = tokio::task::spawn_blocking(move || {
                watched.iter_mut().for_each(|watched| watched.look(reason));
                watched
            });
            match looked.await {
                Ok(watched) => self.watched = watched,
                Err(error) => return log::error!("files are not read again any more: {error}"),
            }
            if reason == Reason::Hangup && self.watched.is_empty() {
                log::info!("SIGHUP: there is no file to read again");
            }
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self::new()
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

impl Watched {
    fn look(&mut self, reason: Reason) {
        // Before reading, so that what changes meanwhile is seen the next time.
        let stamps: Vec<Option<Stamp>> = self.files.iter().map(|file| Stamp::of(file)).collect();
        let has_changed = stamps != self.seen;
        if !has_changed && !self.is_fresh && reason == Reason::Time {
            return;
        }
        let is_repetition = !has_changed && reason == Reason::Time;
        (self.seen, self.is_fresh) = (stamps, has_changed);
        let what = self.what;
        match (self.read)() {
            Ok(Some(now)) => log::info!("{what} read again: {now}"),
            Ok(None) if reason == Reason::Hangup => log::info!("{what} read again: nothing has changed"),
            Ok(None) => {}
            // Said a moment ago.
            Err(_) if is_repetition => {}
            Err(problem) => log::error!("{what} cannot be used, so what was read before stays in use: {problem}"),
        }
    }
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let file = fs::metadata(file).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Watches a file, and tells how often it was read.
    fn watched(file: &Path) -> (Watched, impl Fn() -> usize + use<>) {
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let read = move || {
            *counted.lock().unwrap() += 1;
            Err("never mind".to_owned())
        };
        let watched = Watched { what: "it", files: vec![file.to_owned()], read: Box::new(read), seen: Vec::new(), is_fresh: false };
        (watched, move || std::mem::take(&mut *count.lock().unwrap()))
    }

    #[test]
    fn a_file_is_read_again_when_it_changed_once_more_after_that_and_when_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let (mut watched, reads) = watched(&file);
        let mut looks = |reason| {
            watched.look(reason);
            reads()
        };
        assert_eq!([looks(Reason::Time), looks(Reason::Time), looks(Reason::Time), looks(Reason::Time)], [1, 1, 0, 0]);
        assert_eq!(looks(Reason::Hangup), 1);
        assert_eq!(looks(Reason::Time), 0);
        // In place, with the same length.
        fs::write(&file, "two").unwrap();
        assert_eq!([looks(Reason::Time), looks(Reason::Time), looks(Reason::Time)], [1, 1, 0]);
        // Renamed over, and gone.
        fs::write(folder.path().join("fresh"), "two").unwrap();
        fs::rename(folder.path().join("fresh"), &file).unwrap();
        assert_eq!([looks(Reason::Time), looks(Reason::Time), looks(Reason::Time)], [1, 1, 0]);
        fs::remove_file(&file).unwrap();
        assert_eq!([looks(Reason::Time), looks(Reason::Time), looks(Reason::Time)], [1, 1, 0]);
    }

    #[test]
    fn a_link_that_is_turned_to_another_folder_is_a_change() {
        // How Kubernetes brings a new secret: keys.json -> ..data/keys.json, and ..data is renamed over.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["v1", "v2"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("keys.json"), "same length").unwrap();
        }
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/keys.json", at("keys.json")).unwrap();
        let (mut watched, reads) = watched(&at("keys.json"));
        (0..3).for_each(|_| watched.look(Reason::Time));
        reads();
        std::os::unix::fs::symlink("v2", at("..fresh")).unwrap();
        fs::rename(at("..fresh"), at("..data")).unwrap();
        watched.look(Reason::Time);
        assert_eq!(reads(), 1);
    }
}
