//! Where passwords come from: a prompt without echo, or standard input. Never an argument, never the environment.

use std::io::ErrorKind;

use tokio::signal::unix::{SignalKind, signal};

use super::Error;
use crate::authority::Password;
use crate::secret::Secret;

/// How a new password is given.
#[derive(Debug, clap::Args)]
pub(super) struct PasswordSource {
    /// Read the password from standard input instead of asking for it; one newline at the end is left out.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// A new password; at a prompt it is asked for twice. To be called inside the runtime.
    pub(super) fn read(&self, email: &str) -> Result<Password, Error> {
        if self.password_stdin {
            let secret = Secret::read_from(std::io::stdin().lock());
            let secret = secret.map_err(|error| Error::failed(format!("cannot read the password from standard input: {error}")))?;
            return Ok(Password::new(secret.expose().to_owned()));
        }
        let first = ask(&format!("New password for {email}: "))?;
        let second = ask("The same once more: ")?;
        if first.expose() != second.expose() {
            return Err(Error::failed("these are two different passwords: nothing was changed"));
        }
        Ok(Password::new(first.expose().to_owned()))
    }
}

fn ask(prompt: &str) -> Result<Secret, Error> {
    // At Ctrl-C the prompt sends this process SIGINT first and gives the terminal its echo back afterwards: who listens lives that long.
    // It lasts as long as the process, so what is done once a password is there is done to its end.
    let _listening = signal(SignalKind::interrupt());
    rpassword::prompt_password(prompt).map(Secret::from).map_err(|error| match error.kind() {
        ErrorKind::Interrupted => Error::failed("interrupted: nothing was changed"),
        _ => Error::failed("there is no terminal to ask for the password at: use --password-stdin"),
    })
}
