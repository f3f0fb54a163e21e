//! The file of signing keys: a JWK Set (RFC 7517) that is changed in place, or not at all.
//!
//! A change is a new file beside the old one, flushed and renamed over it, so that a service that reads at any moment finds the whole old set
//! or the whole new one. The new file has the owner and the mode of the old one, else the service might lose its keys to whoever ran the
//! command. Members that we do not know are kept. Key material goes in and out, and is never printed from here.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Error;
use super::private_file::PrivateFile;
use crate::secret::Secret;
use crate::token::KeyRing;

/// Ours, in a JWK: since when the key signs. Services do not read it.
pub(super) const SIGNS_AT: &str = "hallpass_signs_at";

/// A set of keys, and the file it is in. While it lives no other command changes the file.
pub(super) struct KeyFile {
    path: PathBuf,
    set: Value,
    /// Locked for as long as it is open.
    _folder: File,
}

impl KeyFile {
    /// Opens the file and waits until no other command is at it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let refused = |error: io::Error| Error::Configuration(format!("keys.file: cannot use {}: {error}", path.display()));
        // Renaming over a symbolic link would put the keys where the link is.
        let real = fs::canonicalize(path).map_err(refused)?;
        let folder = File::open(real.parent().unwrap_or(Path::new("/"))).map_err(refused)?;
        folder.lock().map_err(refused)?;
        let text = Secret::read(&real).map_err(refused)?;
        let checked = KeyRing::from_jwk_set(text.expose()).map_err(|error| error.to_string());
        let set = checked.and_then(|_| serde_json::from_str(text.expose()).map_err(|error| error.to_string()));
        Ok(Self { path: real, set: set.map_err(|problem| Error::Configuration(format!("keys.file: {problem}")))?, _folder: folder })
    }

    /// The keys, the one that signs first.
    pub(super) fn keys(&self) -> impl Iterator<Item = Entry<'_>> {
        self.set["keys"].as_array().into_iter().flatten().map(Entry)
    }

    /// Replaces the keys, writes the file, and gives its fingerprint. The set must be one that a service would accept.
    pub(super) fn save(mut self, keys: Vec<Value>) -> Result<String, Error> {
        self.set["keys"] = Value::Array(keys);
        let text = pretty(&self.set);
        let ring = KeyRing::from_jwk_set(&text).map_err(|error| Error::failed(format!("the keys stay as they are: {error}")))?;
        let refused = |error: io::Error| Error::failed(format!("{} stays as it is: {error}", self.path.display()));
        self.write(&text).map_err(refused)?;
        Ok(ring.summary().fingerprint)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut file = PrivateFile::create(&self.path)?;
        file.resemble(&fs::metadata(&self.path)?)?;
        file.write_all(text.as_bytes())?;
        file.finish()
    }
}

/// One key of the set.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a>(&'a Value);

impl Entry<'_> {
    pub(super) fn kid(&self) -> &str {
        self.0["kid"].as_str().unwrap_or_default()
    }

    /// When it was made, as a NumericDate; of keys made elsewhere it may not be known.
    pub(super) fn created_at(&self) -> Option<i64> {
        self.0["iat"].as_i64()
    }

    /// Since when it signs, as a NumericDate, if `key rotate` made it.
    pub(super) fn signs_at(&self) -> Option<i64> {
        self.0[SIGNS_AT].as_i64()
    }

    pub(super) fn to_jwk(self) -> Value {
        self.0.clone()
    }
}

/// A fresh key of 32 random bytes, as a JWK. Its name tells the day, so that a list of keys reads by itself.
pub(super) fn new_key(kid: Option<&str>, now: i64) -> Result<Value, Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut bytes[..]).map_err(|_| no_random())?;
    let kid = match kid {
        Some(kid) => kid.to_owned(),
        None => format!("{}-{}", super::output::utc(now).get(..10).unwrap_or("key"), random_suffix()?),
    };
    let key = json!({ "kty": "oct", "alg": "HS256", "kid": kid, "iat": now, "k": URL_SAFE_NO_PAD.encode(&bytes[..]) });
    KeyRing::from_jwk_set(&set_of(&key)).map_err(|error| Error::Usage(error.to_string()))?;
    Ok(key)
}

/// The text of a set with one key.
pub(super) fn set_of(key: &Value) -> String {
    pretty(&json!({ "keys": [key] }))
}

/// What is wrong with who may read or change the file, and how to mend it.
pub(super) fn warning(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    let shown = path.display();
    // The group may read: that is how orchestrators hand secrets to a user of their own.
    if file.mode() & 0o027 != 0 {
        return Some(format!("the keys file can be read or changed by other users of this machine: chmod 600 {shown}"));
    }
    let owner = file.uid();
    let is_trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    (!is_trusted)
        .then(|| format!("the keys file belongs to user {owner}, who can change it: chown it to the user that runs hallpass: {shown}"))
}

/// `x7f3`: to tell names apart, not a secret.
fn random_suffix() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|_| no_random())?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

fn no_random() -> Error {
    Error::failed("the operating system gave no random numbers")
}

fn pretty(set: &Value) -> String {
    format!("{set:#}\n")
}
