//! File, environment and flags, laid over each other, and read key by key.
//!
//! The layering is the `config` crate's. Values are taken out one at a time instead of through serde, because serde's messages quote the
//! offending value, and that value may be a secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ::config::{ConfigError, FileFormat, Map, Source, Value, ValueKind};

use super::units::{Rate, parse_duration, parse_rate};
use super::{Error, names};
use crate::secret::Secret;

const PREFIX: &str = "HALLPASS__";
/// Settings that may also be given as `…_FILE` in the environment.
const SECRETS: [&str; 2] = ["database.url", "keys.secret"];
const FLAG: &str = "a flag";

/// Every value that was set somewhere, by `section.key`.
pub(super) struct Settings {
    values: Map<String, Value>,
    file: String,
}

impl Settings {
    pub(super) fn gather(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &[(&str, String)],
    ) -> Result<Self, Error> {
        let path = file.map_or_else(String::new, |path| path.display().to_string());
        let flags = overrides.iter().map(|(name, value)| ((*name).to_owned(), Value::new(Some(&FLAG.to_owned()), value.as_str())));
        // Every layer is checked by itself: laid over each other, a misplaced value could vanish under the section that replaces it.
        let layered = ::config::Config::builder()
            .add_source(Layer::of_known(file.map(parse_file).transpose()?.unwrap_or_default(), &path)?)
            .add_source(Layer::of_known(parse_environment(env)?, &path)?)
            .add_source(Layer::of_known(flags.collect(), &path)?)
            .build()
            .map_err(|_| Error::setting("the configuration", "cannot be put together: give every setting once"))?;
        let table = layered.cache.into_table().unwrap_or_default();
        Ok(Self { values: flatten(table), file: path })
    }

    /// Adds to an error where the value came from.
    pub(super) fn blame(&self, error: Error) -> Error {
        let value = match &error {
            Error::Setting { setting, .. } => self.values.get(setting),
            Error::File { .. } => None,
        };
        match value {
            Some(value) => error.set_by(value.origin().unwrap_or(&self.file)),
            None => error,
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.values.get(name).map(|value| &value.kind) {
            None => Ok(None),
            Some(ValueKind::String(text)) if text.trim().is_empty() => Err(empty(name)),
            Some(ValueKind::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::setting(name, "must be a text in quotes")),
        }
    }

    /// A text of a type of its own; `expected` ends the sentence "must be …".
    pub(super) fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Error> {
        let parse = |text: &str| text.parse().map_err(|_| Error::setting(name, format!("must be {expected}")));
        self.text(name)?.map(parse).transpose()
    }

    /// A whole number; the environment gives it as text.
    pub(super) fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>, Error> {
        let number = match self.values.get(name).map(|value| &value.kind) {
            None => return Ok(None),
            Some(ValueKind::I64(number)) => Some(*number),
            Some(ValueKind::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| Error::setting(name, "must be a whole number that is not negative"))
    }

    /// Yes or no; the environment gives it as text.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        let flag = match self.values.get(name).map(|value| &value.kind) {
            None => return Ok(None),
            Some(ValueKind::Boolean(flag)) => Some(*flag),
            Some(ValueKind::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        flag.map(Some).ok_or_else(|| Error::setting(name, "must be true or false"))
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Error> {
        let refused = || Error::setting(name, "must be a whole number with a unit (s, m, h or d), for instance \"90s\" or \"5m\"");
        match self.values.get(name).map(|value| &value.kind) {
            None => Ok(None),
            Some(ValueKind::String(text)) => parse_duration(text).map(Some).ok_or_else(refused),
            Some(_) => Err(refused()),
        }
    }

    /// A rate, or none at all.
    pub(super) fn rate(&self, name: &str) -> Result<Option<Option<Rate>>, Error> {
        let refused =
            || Error::setting(name, "must be a whole number in a second, a minute or an hour (\"5/s\", \"10/min\", \"100/h\"), or \"off\"");
        match self.values.get(name).map(|value| &value.kind) {
            None => Ok(None),
            Some(ValueKind::String(text)) => parse_rate(text).map(Some).ok_or_else(refused),
            Some(_) => Err(refused()),
        }
    }

    /// A list of texts; one text is split at its commas.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let item = |value: &Value| match &value.kind {
            ValueKind::String(text) => Some(text.clone()),
            _ => None,
        };
        let items = match self.values.get(name).map(|value| &value.kind) {
            None => return Ok(None),
            Some(ValueKind::String(text)) if text.trim().is_empty() => return Err(empty(name)),
            Some(ValueKind::String(text)) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
            Some(ValueKind::Array(values)) => values.iter().map(item).collect::<Option<Vec<String>>>(),
            Some(_) => None,
        };
        items.map(Some).ok_or_else(|| Error::setting(name, "must be a list of texts"))
    }

    pub(super) fn path(&self, name: &str) -> Result<Option<PathBuf>, Error> {
        Ok(self.text(name)?.map(PathBuf::from))
    }

    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(self.text(name)?.map(Secret::from))
    }
}

fn empty(name: &str) -> Error {
    Error::setting(name, "is empty: give it a value or leave it out")
}

/// One layer, already read, by `section.key`. Its Debug shows nothing: there are secrets in it.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl Layer {
    fn of_known(values: Map<String, Value>, file: &str) -> Result<Self, Error> {
        match values.iter().find(|(name, _)| !is_known(name)) {
            Some((name, value)) => {
                let unknown = Error::setting(&legible(name), format!("is not a setting of hallpass: {}", nearest(name)));
                Err(unknown.set_by(value.origin().unwrap_or(file)))
            }
            None => Ok(Self(values)),
        }
    }
}

/// As much of an unknown name as could be one: behind it there may be a value, and a secret, where a `=` was forgotten.
fn legible(name: &str) -> String {
    let could_be = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
    let end = name.bytes().position(|byte| !could_be(byte)).unwrap_or(name.len()).min(64);
    if end == name.len() { name.to_owned() } else { format!("{}…", &name[..end]) }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn parse_file(path: &Path) -> Result<Map<String, Value>, Error> {
    let refused = |problem: String| Error::File { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let file = ::config::File::from_str(&text, FileFormat::Toml);
    file.collect().map(flatten).map_err(|error| refused(format!("is not valid TOML: {}", place(&error))))
}

/// Where a TOML error is. The rest of its text quotes the line, and that may be the line of a secret.
fn place(error: &ConfigError) -> String {
    let text = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        _ => String::new(),
    };
    let place = text.lines().next().and_then(|line| line.strip_prefix("TOML parse error at "));
    place.map_or_else(|| "check its syntax".to_owned(), |place| format!("look at {place}"))
}

fn parse_environment(env: impl Iterator<Item = (String, String)>) -> Result<Map<String, Value>, Error> {
    let mut values: Map<String, Value> = Map::new();
    for (variable, text) in env.filter(|(variable, _)| variable.starts_with("HALLPASS_") && variable.contains("__")) {
        let (name, text) = match (by_variable(&variable, ""), by_variable(&variable, "_FILE").filter(|name| SECRETS.contains(name))) {
            (Some(name), _) => (name, text),
            (None, Some(name)) => (name, read_secret(&variable, &text)?),
            (None, None) => {
                return Err(Error::setting(&legible(&variable), format!("is not a setting of hallpass: {}", nearest_variable(&variable))));
            }
        };
        if values.insert(name.to_owned(), Value::new(Some(&variable), text)).is_some() {
            let plain = variable_of(name);
            return Err(Error::setting(name, format!("is given twice: set either {plain} or {plain}_FILE, not both")));
        }
    }
    Ok(values)
}

/// The path is left out of the message: people put the secret itself there.
fn read_secret(variable: &str, path: &str) -> Result<String, Error> {
    let secret = Secret::read(Path::new(path));
    let secret = secret.map_err(|error| Error::setting(variable, format!("must name a file that can be read: {}", error.kind())))?;
    Ok(secret.expose().to_owned())
}

/// The `…_FILE` variables that are set, each with the file it names.
pub(super) fn secret_files(env: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, PathBuf)> {
    let names_a_file = |variable: &str| by_variable(variable, "_FILE").is_some_and(|name| SECRETS.contains(&name));
    env.filter(move |(variable, _)| names_a_file(variable)).map(|(variable, path)| (variable, PathBuf::from(path)))
}

fn by_variable(variable: &str, suffix: &str) -> Option<&'static str> {
    let plain = variable.strip_suffix(suffix)?;
    names().find(|name| variable_of(name) == plain)
}

fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('.', "__"))
}

/// Sections and keys as `section.key`; what is in no section of ours keeps its name, for the refusal.
fn flatten(sections: Map<String, Value>) -> Map<String, Value> {
    let mut values = Map::new();
    for (section, value) in sections {
        match value.kind {
            ValueKind::Table(keys) if has_section(&section) => {
                values.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            _ => {
                values.insert(section, value);
            }
        }
    }
    values
}

fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

fn has_section(section: &str) -> bool {
    names().any(|name| name.split('.').next() == Some(section))
}

/// What the operator may have meant: the keys of the section, or the sections.
fn nearest(name: &str) -> String {
    let section = name.split('.').next().unwrap_or_default();
    if has_section(section) {
        let keys: Vec<&str> = names().filter_map(|name| name.strip_prefix(section)?.strip_prefix('.')).collect();
        return format!("[{section}] has {}", keys.join(", "));
    }
    let mut sections: Vec<&str> = names().filter_map(|name| name.split('.').next()).collect();
    sections.dedup();
    format!("the sections are {}", sections.join(", "))
}

fn nearest_variable(variable: &str) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase().replace("__", ".");
    if name.is_empty() { format!("names begin with {PREFIX}") } else { nearest(&name) }
}
