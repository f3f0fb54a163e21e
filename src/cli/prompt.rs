//! Where passwords come from: a prompt without echo, or standard input. Never an argument, never the environment.

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
    /// A new password; at a prompt it is asked for twice.
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
    rpassword::prompt_password(prompt)
        .map(Secret::from)
        .map_err(|_| Error::failed("there is no terminal to ask for the password at: use --password-stdin"))
}
