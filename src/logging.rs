//! How log lines look: one event is one line, whatever a stranger put into it.
//!
//! Text for people at a terminal, JSON for everything that collects logs; both escape what could break a line, colour a terminal or turn
//! the reading direction. It knows nothing of what is logged, but for the request that it happened in; that no secret is, is
//! for those to see to who log.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write};

use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde::Serialize;
use serde::ser::SerializeMap as _;

use crate::caller;

/// Stands in every line that was written on behalf of a request, whoever wrote it.
const REQUEST_ID: &str = "request_id";

/// The look of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line: `ts` (RFC 3339, UTC), `level`, `target`, `message`, and the event's own fields.
    Json,
}

impl Format {
    /// Text where somebody reads along, JSON where a program does.
    pub fn of_terminal() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Sends log lines to standard error. `RUST_LOG` says which, or `filter` where that is not set. A second call changes nothing.
pub fn start(format: Format, filter: &str) {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::new().default_filter_or(filter));
    let write = match format {
        Format::Text => write_text,
        Format::Json => write_json,
    };
    let logger = Discreet(builder.format(write).build());
    let most = logger.0.filter();
    // Only fails when there is a logger already, and then that one stays.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(most);
    }
}

/// Keeps libraries from telling details, whatever `RUST_LOG` says: below INFO the HTTP library quotes headers that it cannot read, and whoever
/// looks for a fault would find tokens in the log. At ERROR it tells of every request that it cannot read: any stranger could fill the log
/// and wake an operator.
struct Discreet(env_logger::Logger);

impl Discreet {
    fn is_ours(target: &str) -> bool {
        target.split("::").next() == Some("hallpass")
    }

    fn is_of_strangers(target: &str) -> bool {
        target.starts_with("actix_http::h1::")
    }
}

impl log::Log for Discreet {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let target = metadata.target();
        let may_tell = metadata.level() <= log::Level::Info && !Self::is_of_strangers(target);
        (may_tell || Self::is_ours(target)) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Makes a panic one log line with its place. The text of a panic stays out: it may quote what it stumbled over.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!(target: "hallpass::panic", location = place.as_str(); "a panic, which is a bug of hallpass");
    }));
}

/// Text that is safe to print: control characters (line ends and ESC among them), and what turns the reading direction or takes up no
/// room, come out as `\n` or `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if is_unsafe(char) { write!(f, "{}", char.escape_debug())? } else { f.write_char(char)? }
        }
        Ok(())
    }
}

/// Unicode's Cc; its bidirectional controls (UAX #9 s2); line and paragraph separator; the zero-width ones.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// JSON text in which everything unsafe is `\uXXXX`. It can stand only inside strings, where that means the same.
pub(crate) fn escaped_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut text, char| {
        // Writing to a String cannot fail.
        let _ = if is_unsafe(char) { write!(text, "\\u{:04x}", u32::from(char)) } else { text.write_char(char) };
        text
    })
}

fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level, style) = (out.timestamp_seconds(), record.level(), out.default_level_style(record.level()));
    writeln!(out, "{time} {style}{level:<5}{style:#} {}", event_text(record))
}

/// `target: message name=value …`
fn event_text(record: &Record<'_>) -> String {
    let mut text = format!("{}: {}", Visible(record.target()), Visible(&record.args().to_string()));
    for (name, value) in &Fields::of(record).0 {
        let value = value.as_str().filter(|text| is_plain(text)).map_or_else(|| escaped_json(&value.to_string()), str::to_owned);
        // Writing to a String cannot fail.
        let _ = write!(text, " {}={value}", Visible(name));
    }
    text
}

/// Whether a value can stand in a line of text without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = out.timestamp_millis().to_string();
    writeln!(out, "{}", event_json(&time, record)?)
}

fn event_json(time: &str, record: &Record<'_>) -> serde_json::Result<String> {
    serde_json::to_string(&Line { time, record }).map(|line| escaped_json(&line))
}

struct Line<'a> {
    time: &'a str,
    record: &'a Record<'a>,
}

impl Serialize for Line<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("ts", self.time)?;
        line.serialize_entry("level", self.record.level().as_str())?;
        line.serialize_entry("target", self.record.target())?;
        line.serialize_entry("message", &self.record.args().to_string())?;
        for (name, value) in &Fields::of(self.record).0 {
            // A field must not be able to stand in for the line's own members.
            let taken = matches!(name.as_str(), "ts" | "level" | "target" | "message");
            line.serialize_entry(&if taken { format!("{name}_") } else { name.clone() }, value)?;
        }
        line.end()
    }
}

/// The event's own fields, in the order they were given, and the id of the request that it happened in.
struct Fields(Vec<(String, serde_json::Value)>);

impl Fields {
    fn of(record: &Record<'_>) -> Self {
        let mut fields = Self(Vec::new());
        // The only visitor that can fail is this one, and it does not.
        let _ = record.key_values().visit(&mut fields);
        if let Some(caller) = caller::current()
            && !fields.0.iter().any(|(name, _)| name == REQUEST_ID)
        {
            fields.0.push((REQUEST_ID.to_owned(), caller.request_id().into()));
        }
        fields
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = serde_json::to_value(&value).unwrap_or_else(|_| value.to_string().into());
        self.0.push((key.to_string(), value));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use log::Level;

    const HOSTILE: &str = "a@b\n[2026-01-01T00:00:00Z INFO] login ok \u{1b}[31mred\u{202e}\u{9b}\u{2028}\u{200b}\"\r\0\u{7f}";

    fn with_record<T>(message: &str, fields: &[(&str, Value<'_>)], look: impl FnOnce(&Record<'_>) -> T) -> T {
        let fields = fields.to_vec();
        look(&Record::builder().level(Level::Info).target("t").args(format_args!("{message}")).key_values(&fields).build())
    }

    fn is_one_safe_line(text: &str) -> bool {
        !text.chars().any(is_unsafe)
    }

    #[test]
    fn m3_what_any_stranger_can_make_the_http_library_say_is_not_told() {
        let told = Discreet(env_logger::Builder::new().filter_level(log::LevelFilter::Trace).build());
        let tells = |target, level| log::Log::enabled(&told, &log::Metadata::builder().target(target).level(level).build());
        assert!(!tells("actix_http::h1::dispatcher", Level::Error) && !tells("actix_http::h1::decoder", Level::Error));
        assert!(tells("actix_server::accept", Level::Error) && !tells("actix_server::accept", Level::Debug));
        assert!(tells("hallpass::http", Level::Trace) && !tells("hallpassing", Level::Debug));
    }

    #[test]
    fn o1_o2_line_ends_escapes_and_direction_marks_never_leave_the_line_they_came_in() {
        let fields = [("agent", Value::from(HOSTILE)), ("n", Value::from(7))];
        let text = with_record(HOSTILE, &fields, event_text);
        let json = with_record(HOSTILE, &fields, |record| event_json("now", record).unwrap());
        assert!(is_one_safe_line(&text) && text.starts_with("t: a@b\\n[2026"), "{text}");
        assert!(is_one_safe_line(&json), "{json}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["message"].as_str(), json["agent"].as_str(), json["n"].as_i64()), (Some(HOSTILE), Some(HOSTILE), Some(7)));
    }

    #[test]
    fn a_line_of_text_shows_plain_values_bare_and_others_as_json() {
        let fields = [("route", Value::from("/me")), ("agent", Value::from("a b=c")), ("ms", Value::from(1.5)), ("none", Value::from(""))];
        let text = with_record("GET /me", &fields, event_text);
        assert_eq!(text, r#"t: GET /me route=/me agent="a b=c" ms=1.5 none="""#);
    }

    #[test]
    fn a_field_cannot_pose_as_a_member_of_the_line() {
        let fields = [("level", Value::from("forged")), ("ts", Value::from("forged"))];
        let json = with_record("m", &fields, |record| event_json("now", record).unwrap());
        assert_eq!(json, r#"{"ts":"now","level":"INFO","target":"t","message":"m","level_":"forged","ts_":"forged"}"#);
    }

    #[test]
    fn ordinary_text_in_any_script_stays_as_it_is() {
        assert_eq!(Visible("Zoë 山田 🦀").to_string(), "Zoë 山田 🦀");
        assert_eq!(Visible("\u{202e}\n").to_string(), "\\u{202e}\\n");
    }
}
