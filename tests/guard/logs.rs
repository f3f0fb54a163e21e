//! Keeps every log line of this test binary, at every level, to be searched.

use std::sync::{Mutex, Once};

use log::{LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl Log for Keep {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.lock().unwrap().push(format!("{} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// Everything logged from the first call on.
pub(crate) fn lines() -> Vec<String> {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Keep).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
    LINES.lock().unwrap().clone()
}
