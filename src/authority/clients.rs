//! Clients: machines that get tokens in their own name. Made, found, listed, given new secrets, disabled, removed.
//!
//! What operators do, whether at the command line or over HTTP. A secret is drawn here, handed out once, and kept only as its hash; no key
//! and no hashing thread is needed for it.

use super::audit::{Event, Happening};
use super::password_policy::Violation;
use super::{Authority, Error};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::store::Database;
use crate::store::client::{self, Client, NewClient};
use crate::token::Scope;
use crate::token::client_secret::{BYTES, SecretHash, client_secret};
use uuid::Uuid;
use zeroize::Zeroizing;

const PREFIX: &str = "cli_";
const LONGEST_NAME: usize = 64;
/// All scopes of a client together, in characters: few enough that a token of them all can be minted.
const LONGEST_SCOPE: usize = 1024;

/// The clients of a store.
#[derive(Clone, Debug)]
pub struct Clients {
    database: Database,
    clock: Clock,
}

/// A client and the secret that it was just given. It is nowhere else.
#[derive(Debug)]
pub struct Issued {
    /// The client.
    pub client: Client,
    /// Its secret.
    pub secret: Secret,
}

impl Authority {
    /// The clients of this authority's store.
    pub fn clients(&self) -> Clients {
        Clients::new(self.database.clone(), self.clock.clone())
    }
}

impl Clients {
    /// The clients of this store.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Adds a client. Each text of `scopes` may hold several, space separated.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::Conflict`] when the name is taken; [`Error::StoreUnavailable`].
    pub async fn add(&self, name: &str, scopes: &[String]) -> Result<Issued, Error> {
        if !is_name(name) {
            let rule = "A name is 1 to 64 letters, digits, dots, hyphens and underscores, and does not begin with cli_.";
            return Err(invalid("name", "name_invalid", rule));
        }
        let (secret, secret_hash) = new_secret()?;
        let new = NewClient { name: name.to_owned(), scope: parse_scope(scopes)?, secret_hash };
        let client = client::insert(&self.database, new, self.clock.now()).await?;
        self.record(Event::ClientAdded, &client).await;
        Ok(Issued { client, secret })
    }

    /// The client with this id or this name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`].
    pub async fn by_id_or_name(&self, id_or_name: &str) -> Result<Client, Error> {
        let found = if is_id(id_or_name) {
            client::by_id(&self.database, id_or_name).await?
        } else if is_name(id_or_name) {
            client::by_name(&self.database, id_or_name).await?
        } else {
            None
        };
        found.ok_or(Error::NotFound)
    }

    /// At most `limit` clients in the order they were made, after the client `after` or from the first.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Client>, Error> {
        Ok(client::list(&self.database, after, limit).await?)
    }

    /// Gives a client a new secret. The one until now stays good until the next rotation, so that it can be replaced without haste.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`].
    pub async fn rotate_secret(&self, client: Client) -> Result<Issued, Error> {
        let (secret, hash) = new_secret()?;
        found(client::rotate_secret(&self.database, &client.id, &hash, self.clock.now()).await?)?;
        self.record(Event::ClientSecretRotated, &client).await;
        Ok(Issued { client, secret })
    }

    /// Refuses a client from now on, and revokes its tokens. False: it was refused before, or is not there.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn disable(&self, client: &Client) -> Result<bool, Error> {
        self.set_disabled_at(client, Some(self.clock.now()), Event::ClientDisabled).await
    }

    /// Admits a client again. Tokens that it is given within two and a half minutes after it was disabled are refused all the same. False: it
    /// was admitted, or is not there.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn enable(&self, client: &Client) -> Result<bool, Error> {
        self.set_disabled_at(client, None, Event::ClientEnabled).await
    }

    async fn set_disabled_at(&self, client: &Client, at: Option<i64>, event: Event) -> Result<bool, Error> {
        let is_news = client::set_disabled_at(&self.database, &client.id, at).await?;
        if is_news {
            self.record(event, client).await;
        }
        Ok(is_news)
    }

    /// Deletes a client for good, and revokes its tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`].
    pub async fn remove(&self, client: &Client) -> Result<(), Error> {
        found(client::delete(&self.database, &client.id, self.clock.now()).await?)?;
        self.record(Event::ClientRemoved, client).await;
        Ok(())
    }

    async fn record(&self, event: Event, client: &Client) {
        Happening::to_client(event, &client.id).record(&self.database, self.clock.now()).await;
    }
}

fn found(was_there: bool) -> Result<(), Error> {
    if was_there { Ok(()) } else { Err(Error::NotFound) }
}

fn new_secret() -> Result<(Secret, SecretHash), Error> {
    let mut random = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut random[..]).map_err(|error| Error::Internal(error.into()))?;
    let text = client_secret(&random);
    Ok((Secret::from(text.as_str()), SecretHash::of(&text)))
}

/// Whether it has the form of our ids. PostgreSQL would fail at what is not even text to it, and that must not look like an outage.
pub(super) fn is_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|id| Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == id))
}

/// A name is never an id, so that who is meant is never in doubt.
fn is_name(text: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_name_byte) && !text.starts_with(PREFIX)
}

/// Scopes as they are stored: each once, one space between.
fn parse_scope(texts: &[String]) -> Result<String, Error> {
    let scope = Scope::parse(&texts.join(" ")).ok().map(|scope| scope.normalized()).filter(|scope| scope.len() <= LONGEST_SCOPE);
    let rule = "A scope is printable ASCII without spaces, quotes and backslashes; all of a client have at most 1024 characters.";
    scope.ok_or_else(|| invalid("scope", "scope_invalid", rule))
}

fn invalid(field: &'static str, code: &'static str, message: &str) -> Error {
    Error::Invalid { field, violations: vec![Violation { code, message: message.to_owned() }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_the_id_of_a_person_and_the_name_of_a_client_are_no_id_of_a_client() {
        let id = "cli_01a207fb-5ab8-76ff-9093-ed951e39519b";
        assert!(is_id(id) && !is_name(id));
        for text in ["", "cli_", &id[4..], &id.to_uppercase(), &id.replace("cli_", "usr_"), &format!("{id} "), "hallpass", "cli_\0"] {
            assert!(!is_id(text), "{text:?}");
        }
        for name in ["a", "billing-worker", "Build.Machine_2", &"a".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for bad in ["", "cli_a", "a b", "a\n", "a\0", "\u{e4}", "a\"", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn scopes_are_kept_once_each_and_are_not_too_many() {
        assert_eq!(parse_scope(&["a b".into(), "a".into()]).unwrap(), "a b");
        assert_eq!(parse_scope(&[]).unwrap(), "");
        for bad in ["a  b", "a\"", &"a".repeat(1025)] {
            assert!(matches!(parse_scope(&[bad.into()]), Err(Error::Invalid { field: "scope", .. })), "{bad}");
        }
    }
}
