//! `hallpass token inspect`: what a token says, and whether the service would believe it.

use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Error, SettingsFile, ended, output};
use crate::clock::Clock;
use crate::config::{Config, Section};
use crate::logging::Visible;
use crate::secret::Secret;
use crate::serve;
use crate::token::Verifier;

/// The claims that are times (RFC 7519 s4.1, RFC 9068 s2.2.1).
const TIMES: [&str; 4] = ["auth_time", "exp", "iat", "nbf"];

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Show what an access token says, and whether it is valid for the configured keys, issuer and audience.
    ///
    /// The token comes from standard input, or from a prompt at a terminal. Without a configuration it is only decoded.
    #[command(after_help = "\
Example: printf %s \"$TOKEN\" | hallpass token inspect --config hallpass.toml

Exit status: 1 when the token is not valid, or cannot be decoded.")]
    Inspect {
        /// `-`, for standard input; the default. Never the token itself: every process of the machine could read it.
        input: Option<String>,
        /// The result as a JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &TokenCommand, settings: &SettingsFile) -> Result<(), Error> {
    let TokenCommand::Inspect { input, json } = command;
    if input.as_deref().is_some_and(|input| input != "-") {
        let text = "a token is never an argument, where every process of this machine could read it: pipe it in, or paste it at the prompt";
        return Err(Error::Usage(text.to_owned()));
    }
    let verifier = verifier(settings)?;
    let token = read_token()?;
    let now = Clock::System.now();
    let verdict = verifier.map_or(Verdict::NotVerified, |verifier| match verifier.verify(token.expose(), now) {
        Ok(_) => Verdict::Valid,
        Err(reason) => Verdict::Invalid(reason.to_string()),
    });
    let decoded = Decoded::read(token.expose());
    let printed = if *json { print_json(&decoded, &verdict) } else { print_text(&decoded, &verdict, now) };
    let is_good = match verdict {
        Verdict::Valid => true,
        Verdict::NotVerified => decoded.claims.is_some(),
        Verdict::Invalid(_) => false,
    };
    ended(printed, if is_good { Ok(()) } else { Err(Error::Reported) })
}

enum Verdict {
    Valid,
    Invalid(String),
    NotVerified,
}

/// What the token is verified with; None without a configuration. Whoever names a settings file wants the token verified by it.
fn verifier(settings: &SettingsFile) -> Result<Option<Verifier>, Error> {
    let config = settings.load(&[], &[])?;
    let is_configured = config.keys.file.is_some() || config.keys.secret.is_some() || settings.file().is_some();
    is_configured.then(|| strict_verifier(&settings.load(&[Section::Keys, Section::Token], &[])?)).transpose()
}

fn strict_verifier(config: &Config) -> Result<Verifier, Error> {
    let keys = serve::access_keys(config, &serve::key_ring(config)?)?;
    let verifier = Verifier::new(keys, &config.token.issuer, &config.token.audience);
    let verifier = verifier.and_then(|verifier| verifier.with_leeway(config.token.leeway));
    verifier.map_err(|error| serve::Error::from(error).into())
}

fn read_token() -> Result<Secret, Error> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Token: ")
            .map(Secret::from)
            .map_err(|error| Error::failed(format!("cannot ask for it: {error}")));
    }
    Secret::read_from(std::io::stdin().lock()).map_err(|error| Error::failed(format!("cannot read standard input: {error}")))
}

/// What stands in the token, believed or not.
struct Decoded {
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
}

impl Decoded {
    fn read(token: &str) -> Self {
        let mut segments = token.split('.').map(|segment| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok());
        Self { header: segments.next().flatten(), claims: segments.next().flatten() }
    }

    fn times(&self) -> impl Iterator<Item = (&'static str, i64)> {
        TIMES.into_iter().filter_map(|name| Some((name, self.claims.as_ref()?.get(name)?.as_i64()?)))
    }
}

fn print_json(decoded: &Decoded, verdict: &Verdict) -> Result<(), Error> {
    let times: Map<String, Value> = decoded.times().map(|(name, at)| (name.to_owned(), output::utc(at).into())).collect();
    let (verdict, reason) = match verdict {
        Verdict::Valid => ("valid", None),
        Verdict::Invalid(reason) => ("invalid", Some(reason)),
        Verdict::NotVerified => ("not_verified", None),
    };
    output::json(&json!({ "verdict": verdict, "reason": reason, "header": decoded.header, "claims": decoded.claims, "times": times }))
}

fn print_text(decoded: &Decoded, verdict: &Verdict, now: i64) -> Result<(), Error> {
    output::line(format_args!("header   {}", decoded.header.as_ref().map_or(Ok("not readable".to_owned()), output::json_text)?))?;
    match &decoded.claims {
        None => output::line("claims   not readable")?,
        Some(claims) => {
            output::line("claims")?;
            for (name, value) in claims {
                let at = value.as_i64().filter(|_| TIMES.contains(&name.as_str()));
                let note = at.map(|at| format!("  {} ({})", output::utc(at), relative(at, now))).unwrap_or_default();
                output::line(format_args!("  {:<10} {}{note}", Visible(name).to_string(), output::json_text(value)?))?;
            }
        }
    }
    output::line(match verdict {
        Verdict::Valid => "verdict  valid".to_owned(),
        Verdict::Invalid(reason) => format!("verdict  not valid: {reason}"),
        Verdict::NotVerified => "verdict  not verified: no keys are configured, so anybody may have written this".to_owned(),
    })
}

/// `in 4 min`, `3 h ago`.
fn relative(at: i64, now: i64) -> String {
    let seconds = at.abs_diff(now);
    if seconds == 0 {
        return "now".to_owned();
    }
    let span = output::span(seconds);
    if at > now { format!("in {span}") } else { format!("{span} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_fits() {
        for (at, text) in [(1_000, "now"), (1_119, "in 119 s"), (1_300, "in 5 min"), (-8_000, "2 h ago"), (1_000_000, "in 11 d")] {
            assert_eq!(relative(at, 1_000), text);
        }
        assert!(relative(i64::MIN, i64::MAX).ends_with("ago"));
    }

    #[test]
    fn what_is_no_token_decodes_to_nothing() {
        for text in ["", ".", "a.b.c", "e30", "W10.W10.", "eyJhIjox"] {
            assert!(Decoded::read(text).claims.is_none(), "{text}");
        }
        assert!(Decoded::read("e30.e30.").claims.is_some());
    }
}
