//! `hallpass key`: make signing keys, and replace them while tokens are in use.
//!
//! The first key of the file signs, all verify. A rotation is three steps with a wait between each, so that at every moment every replica
//! knows the key of every token that is still alive: the new key verifies, then signs, then the old one goes.

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::key_export::{self, Format};
use super::key_file::{self, Entry, KeyFile, SIGNS_AT};
use super::{Error, SettingsFile, key_retire, output};
use crate::clock::Clock;
use crate::config::{Config, Section};

/// How much longer than a token can live an old key is kept, for replicas that read the file late.
const MARGIN_SECONDS: u64 = 60;

/// How old a key is, in seconds, before every replica is likely to have read it: a kubelet takes a minute or so to bring a file.
const SETTLED_SECONDS: i64 = 120;

/// How long after another key began to sign a token of the old one may still be in use, in seconds.
pub(super) fn wait_before_retiring(config: &Config) -> u64 {
    config.token.access_ttl.as_secs() + config.token.leeway.as_secs() + MARGIN_SECONDS
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Print a JWK Set with one new random key.
    #[command(after_help = "Example: (umask 077; hallpass key generate > keys.json)")]
    Generate {
        /// The key's name in tokens; the date and something random by default.
        #[arg(long)]
        kid: Option<String>,
    },
    /// List the keys of `keys.file`, never the key material.
    #[command(after_help = "Example: hallpass key list --json")]
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Take the next step of a rotation of `keys.file`.
    ///
    /// The first call adds a key that only verifies; the second, when every replica has read the file again, lets it sign. Each call says
    /// what comes next. Services read the file again within seconds after it has changed, or at once on SIGHUP; nothing is restarted.
    #[command(after_help = "\
Example: hallpass key rotate     adds 2026-11-23-x7f3, which only verifies
         hallpass key rotate     2026-11-23-x7f3 signs from now on
         hallpass key retire 2026-05-20-k2mm")]
    Rotate {
        /// The result as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Remove a key from `keys.file`: every token that it signed is refused as soon as the file is read again.
    ///
    /// That goes for refresh tokens too: sessions that have not been refreshed since another key signs end. Second factors that it has sealed
    /// are sealed anew first, in the database of the settings; while that cannot be done the key stays, unless forced.
    #[command(after_help = "Example: hallpass key retire 2026-05-20-k2mm")]
    Retire {
        /// The key's name, as `key list` shows it.
        kid: String,
        /// Even when it is the key that signs: the next one takes over. For a key that has leaked. Also when the database is not there.
        #[arg(long)]
        force: bool,
        /// The result as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the keys for another program that verifies tokens. Whoever has them can make tokens too.
    ///
    /// With `token.per_audience_keys` and `--audience` these are tokens for that audience and no other.
    #[command(after_help = "\
Example: (umask 077; hallpass key export --format haproxy > /etc/haproxy/hallpass.keys)
         hallpass key export --format jwks | ssh orders 'umask 077; cat > keys.json'
         hallpass key export --format jwks --audience orders

What is printed is good until the keys change: export again after `key rotate` and `key retire`.")]
    Export {
        /// For whom.
        #[arg(long, value_enum)]
        format: Format,
        /// The keys of this audience, with which tokens are signed when `token.per_audience_keys` is on.
        #[arg(long, value_name = "NAME")]
        audience: Option<String>,
    },
}

/// What was done and what is to be done next.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) action: &'static str,
    pub(super) kid: String,
    pub(super) signs: String,
    /// Of the file as it is now; services log that of what they have read.
    pub(super) fingerprint: String,
    pub(super) next: Option<String>,
}

pub(super) fn run(command: KeyCommand, settings: &SettingsFile) -> Result<(), Error> {
    let now = Clock::System.now();
    match command {
        KeyCommand::Generate { kid } => generate(kid.as_deref(), now),
        KeyCommand::Export { format, audience } => key_export::run(format, audience.as_deref(), &settings.load(&[Section::Keys], &[])?),
        KeyCommand::List { json } => list(&settings.load(&[], &[])?, json, now),
        KeyCommand::Rotate { json } => {
            let config = settings.load(&[], &[])?;
            tell(&rotate(open(&config)?, &config, now)?, json)
        }
        KeyCommand::Retire { kid, force, json } => tell(&key_retire::run(&settings.load(&[], &[])?, &kid, force, now)?, json),
    }
}

pub(super) fn open(config: &Config) -> Result<KeyFile, Error> {
    match (&config.keys.file, &config.keys.secret) {
        (Some(file), _) => KeyFile::open(file),
        (None, Some(_)) => {
            Err(Error::Configuration("keys.secret holds a single key: to rotate, put keys into a file and set keys.file".to_owned()))
        }
        (None, None) => {
            let text = "keys.file is not set: make one with `hallpass key generate > keys.json` and set keys.file = \"keys.json\"";
            Err(Error::Configuration(text.to_owned()))
        }
    }
}

fn generate(kid: Option<&str>, now: i64) -> Result<(), Error> {
    output::whole(key_file::set_of(&key_file::new_key(kid, now)?).as_bytes())?;
    if let Some(mode) = output::readable_by_others() {
        output::message(format_args!("hallpass: the file this went to can be read by others (mode {mode:o}): chmod 600 it"));
    }
    Ok(())
}

fn list(config: &Config, json: bool, now: i64) -> Result<(), Error> {
    const WIDTHS: [usize; 4] = [24, 8, 20, 8];
    let file = open(config)?;
    if let Some(warning) = config.keys.file.as_deref().and_then(key_file::warning) {
        output::message(format_args!("hallpass: {warning}"));
    }
    if !json {
        output::line(output::row(WIDTHS, ["KID", "USE", "CREATED", "AGE"]))?;
    }
    for (index, key) in file.keys().enumerate() {
        if json {
            let age = key.created_at().map(|at| now.saturating_sub(at));
            output::json(&json!({ "kid": key.kid(), "signs": index == 0, "created_at": key.created_at(), "age": age }))?;
        } else {
            let created = key.created_at().map_or_else(|| "unknown".to_owned(), output::utc);
            let age = key.created_at().map_or_else(|| "unknown".to_owned(), |at| output::span(now.saturating_sub(at).unsigned_abs()));
            output::line(output::row(WIDTHS, [key.kid(), if index == 0 { "signs" } else { "verifies" }, &created, &age]))?;
        }
    }
    Ok(())
}

/// Adds a key when the newest one signs already, and lets the newest one sign otherwise.
fn rotate(file: KeyFile, config: &Config, now: i64) -> Result<Outcome, Error> {
    let mut keys: Vec<Value> = file.keys().map(Entry::to_jwk).collect();
    let newest = newest(&file);
    let (signs, kid) = (kid_at(&keys, 0), kid_at(&keys, newest));
    let made_at = file.keys().nth(newest).and_then(|key| key.created_at());
    if newest == 0 {
        let mut added = key_file::new_key(None, now)?;
        // Later than every other key's, whatever the clocks of those who made them said: the order of steps hangs on it.
        let latest = file.keys().filter_map(|key| key.created_at()).max();
        added["iat"] = latest.map_or(now, |latest| now.max(latest.saturating_add(1))).into();
        let kid = added["kid"].as_str().unwrap_or_default().to_owned();
        keys.push(added);
        let fingerprint = file.save(keys)?;
        let next = format!(
            "when every replica has read the file again (each logs \"keys.file read again\" with fingerprint {fingerprint}, within seconds after the file is there), run `hallpass key rotate` once more: then {kid} signs"
        );
        return Ok(Outcome { action: "added", kid, signs, fingerprint, next: Some(next) });
    }
    let mut promoted = keys.remove(newest);
    promoted[SIGNS_AT] = now.into();
    keys.insert(0, promoted);
    let fingerprint = file.save(keys)?;
    warn_if_fresh(&kid, made_at, now);
    let wait = wait_before_retiring(config);
    let next = format!(
        "when every replica has read the file again (fingerprint {fingerprint}), wait {wait} s (the life of a token, the leeway and a minute), or sessions.idle_timeout to keep sessions that are not refreshed meanwhile, and run `hallpass key retire {signs}`"
    );
    Ok(Outcome { action: "promoted", signs: kid.clone(), kid, fingerprint, next: Some(next) })
}

fn warn_if_fresh(kid: &str, made_at: Option<i64>, now: i64) {
    let Some(age) = made_at.map(|made_at| now.saturating_sub(made_at).max(0)) else { return };
    if age < SETTLED_SECONDS {
        output::message(format_args!(
            "hallpass: {kid} signs {age} s after it was made: replicas and others that have not read it yet refuse its tokens until they do, so send SIGHUP to each replica that has not logged the new fingerprint"
        ));
    }
}

/// The place of the key that was made last. Of keys whose age is not known the first counts.
fn newest(file: &KeyFile) -> usize {
    let mut newest = (0, None);
    for (index, key) in file.keys().enumerate() {
        if key.created_at() > newest.1 {
            newest = (index, key.created_at());
        }
    }
    newest.0
}

pub(super) fn kid_at(keys: &[Value], index: usize) -> String {
    keys.get(index).and_then(|key| key["kid"].as_str()).unwrap_or_default().to_owned()
}

pub(super) fn tell(outcome: &Outcome, json: bool) -> Result<(), Error> {
    if json {
        return output::json(outcome);
    }
    match outcome.action {
        "promoted" => output::line(format_args!("{} signs from now on", outcome.kid))?,
        action => output::line(format_args!("{action} {}; {} signs", outcome.kid, outcome.signs))?,
    }
    outcome.next.iter().try_for_each(|next| output::line(format_args!("next: {next}")))
}
