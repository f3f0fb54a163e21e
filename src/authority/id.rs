//! The form of our ids. PostgreSQL would fail at what is not even text to it, and that must not look like an outage: what has another form
//! is not there, and nobody asks the store about it.

use uuid::Uuid;

/// Before a person's.
pub const PERSON: &str = "usr_";
/// Before a client's.
pub const CLIENT: &str = "cli_";
/// Before a session's or an event's: nothing.
pub const PLAIN: &str = "";

/// Whether it is this prefix and a UUID in its one form.
pub fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == id))
}
