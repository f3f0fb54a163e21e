//! How many connections a worker takes on: all of them together never so many that the store finds no file left to open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are not connections: the store's, the log's, the runtime's.
const OTHER_FILES: u64 = 128;
/// A connection has two descriptors, the second for `http::connection`, which closes what nobody uses.
const FILES_PER_CONNECTION: u64 = 2;

/// Connections of each of these workers, at most `wanted` in all. Raises the soft limit of open files towards the hard one, as every server
/// may, and stays below it: at the limit itself nothing could be accepted, read or stored.
pub(super) fn per_worker(wanted: usize, workers: usize) -> usize {
    let needed = OTHER_FILES + FILES_PER_CONNECTION * wanted as u64;
    let total = wanted.min(fitting(raise_limit(needed)));
    if total < wanted {
        log::warn!("the limit of open files (ulimit -n) allows {total} connections instead of {wanted}: raise it to {needed}");
    }
    (total / workers).max(1)
}

fn fitting(open_files: u64) -> usize {
    usize::try_from(open_files.saturating_sub(OTHER_FILES) / FILES_PER_CONNECTION).unwrap_or(usize::MAX)
}

/// The limit of open files that holds from now on; `u64::MAX` where there is none.
fn raise_limit(needed: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (now, most) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let wanted = needed.min(most);
    if wanted <= now {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
        Ok(()) => wanted,
        Err(_) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m6_connections_never_take_the_files_that_the_store_needs() {
        for (open_files, connections) in [(0, 0), (128, 0), (256, 64), (1024, 448), (8_320, 4096)] {
            assert_eq!(fitting(open_files), connections, "{open_files}");
        }
        assert_eq!(per_worker(16, 4), 4);
        assert_eq!(per_worker(1, 4), 1);
    }
}
