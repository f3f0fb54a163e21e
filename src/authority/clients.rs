//! Clients: machines that get tokens in their own name. Made, found, listed, given new secrets, disabled, removed.
//!
//! What operators do, whether at the command line or over HTTP. A secret is drawn here, handed out once, and kept only as its hash; no key
//! and no hashing thread is needed for it.

use super::account_change::scope_detail;
use super::admin::Behalf;
use super::audit::{Event, Happening};
use super::id::{CLIENT, is_id};
use super::password_policy::Violation;
use super::recent_clients::RecentClients;
use super::{Authority, Error};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::store::Database;
use crate::store::client::{self, Edit, NewClient};
use crate::token::Scope;
use crate::token::client_secret::{BYTES, SecretHash, client_secret};
use zeroize::Zeroizing;

pub use crate::store::client::Client;

/// How often somebody else may be faster.
const TRIES: usize = 32;
const LONGEST_NAME: usize = 64;
/// All scopes of a client together, in characters: few enough that a token of them all can be minted.
const LONGEST_SCOPE: usize = 1024;

/// The clients of a store.
#[derive(Clone, Debug)]
pub struct Clients {
    database: Database,
    clock: Clock,
    behalf: Behalf,
    recent: RecentClients,
}

/// What is to be different. None: it stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ClientChange {
    /// What operators call it.
    pub name: Option<String>,
    /// All scopes.
    pub scopes: Option<Vec<String>>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
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
        Clients { recent: self.recent_clients.clone(), ..Clients::new(self.database.clone(), self.clock.clone()) }
    }
}

impl Clients {
    /// The clients of this store.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock, behalf: Behalf::Operator, recent: RecentClients::default() }
    }

    /// The same, on behalf of somebody.
    pub fn on_behalf_of(self, behalf: Behalf) -> Self {
        Self { behalf, ..self }
    }

    /// Adds a client. Each text of `scopes` may hold several, space separated.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::Conflict`] when the name is taken; [`Error::StoreUnavailable`]; for administrators
    /// [`Error::ScopeNotHeld`].
    pub async fn add(&self, name: &str, scopes: &[String]) -> Result<Issued, Error> {
        let (name, scope) = (parse_name(name)?, parse_scope(scopes)?);
        self.behalf.may_grant("", &scope)?;
        let (secret, secret_hash) = new_secret()?;
        let new = NewClient { name, scope, secret_hash };
        let client = client::insert(&self.database, new, self.clock.now()).await?;
        self.record(Event::ClientAdded, &client).await;
        Ok(Issued { client, secret })
    }

    /// The client with this id or this name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`].
    pub async fn by_id_or_name(&self, id_or_name: &str) -> Result<Client, Error> {
        let found = if is_id(CLIENT, id_or_name) {
            client::by_id(&self.database, id_or_name).await?
        } else if is_name(id_or_name) {
            client::by_name(&self.database, id_or_name).await?
        } else {
            None
        };
        found.ok_or(Error::NotFound)
    }

    /// The client with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`].
    pub async fn by_id(&self, id: &str) -> Result<Client, Error> {
        if !is_id(CLIENT, id) {
            return Err(Error::NotFound);
        }
        client::by_id(&self.database, id).await?.ok_or(Error::NotFound)
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
    /// [`Error::Conflict`]: somebody else did so since this client was looked at. [`Error::StoreUnavailable`]; for administrators
    /// [`Error::ScopeNotHeld`].
    pub async fn rotate_secret(&self, client: Client) -> Result<Issued, Error> {
        self.behalf.may_act_for(&client.scope)?;
        let ((secret, hash), now) = (new_secret()?, self.clock.now());
        if !client::rotate_secret(&self.database, &client, &hash, now).await? {
            return Err(Error::Conflict);
        }
        self.recent.forget(&client.id);
        let previous_secret_hash = Some(client.secret_hash);
        let client = Client { secret_hash: hash, previous_secret_hash, secret_rotated_at: Some(now), ..client };
        self.record(Event::ClientSecretRotated, &client).await;
        Ok(Issued { client, secret })
    }

    /// Refuses a client from now on, and revokes its tokens. False: it was refused before.
    ///
    /// # Errors
    /// Those of [`Clients::change`].
    pub async fn disable(&self, client: &Client) -> Result<bool, Error> {
        self.set_disabled(client, true).await
    }

    /// Admits a client again. False: it was admitted.
    ///
    /// # Errors
    /// Those of [`Clients::change`].
    pub async fn enable(&self, client: &Client) -> Result<bool, Error> {
        self.set_disabled(client, false).await
    }

    async fn set_disabled(&self, client: &Client, disabled: bool) -> Result<bool, Error> {
        let change = ClientChange { disabled: Some(disabled), ..ClientChange::default() };
        let (before, after) = self.edit(&client.id, &change).await?;
        Ok(before.disabled_at != after.disabled_at)
    }

    /// Changes the client with this id, and gives it as it is now. Disabling it revokes its tokens; tokens that it is given within two and a half
    /// minutes after that, enabled again, are refused all the same.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NotFound`]; [`Error::Conflict`] when the name is taken; [`Error::StoreUnavailable`]; for administrators
    /// [`Error::ScopeNotHeld`], [`Error::OwnRights`].
    pub async fn change(&self, id: &str, change: &ClientChange) -> Result<Client, Error> {
        self.edit(id, change).await.map(|(_, after)| after)
    }

    /// The client as it was and as it is now.
    async fn edit(&self, id: &str, change: &ClientChange) -> Result<(Client, Client), Error> {
        for _ in 0..TRIES {
            let (before, now) = (self.by_id(id).await?, self.clock.now());
            let after = changed(&before, change, now)?;
            self.behalf.may_grant(&before.scope, &after.scope)?;
            if before.scope != after.scope || before.disabled_at != after.disabled_at {
                self.behalf.is_another(&before.id)?;
            }
            let happened = self.happened(&before, &after);
            let why: Vec<_> = happened.iter().map(|happening| happening.entry(now)).collect();
            let edit = Edit { before: &before, after: &after, why: &why };
            if happened.is_empty() || client::edit(&self.database, edit, now).await? {
                self.recent.forget(id);
                happened.iter().for_each(Happening::log);
                return Ok((before, after));
            }
        }
        Err(Error::Busy)
    }

    fn happened<'a>(&'a self, before: &'a Client, after: &Client) -> Vec<Happening<'a>> {
        let to_client = |event| Happening::to_client(event, &before.id).on_behalf_of(&self.behalf);
        let mut happened = Vec::new();
        if before.name != after.name {
            happened.push(to_client(Event::ClientChanged).with("name"));
        }
        if before.scope != after.scope {
            happened.push(to_client(Event::ClientChanged).with(scope_detail(&before.scope, &after.scope)));
        }
        match (before.disabled_at, after.disabled_at) {
            (None, Some(_)) => happened.push(to_client(Event::ClientDisabled)),
            (Some(_), None) => happened.push(to_client(Event::ClientEnabled)),
            (Some(_), Some(_)) | (None, None) => {}
        }
        happened
    }

    /// Deletes a client for good, and revokes its tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`]; for administrators [`Error::OwnRights`].
    pub async fn remove(&self, client: &Client) -> Result<(), Error> {
        self.behalf.is_another(&client.id)?;
        let happening = Happening::to_client(Event::ClientRemoved, &client.id).on_behalf_of(&self.behalf);
        let now = self.clock.now();
        found(client::delete(&self.database, &client.id, &happening.entry(now), now).await?)?;
        self.recent.forget(&client.id);
        happening.log();
        Ok(())
    }

    async fn record(&self, event: Event, client: &Client) {
        Happening::to_client(event, &client.id).on_behalf_of(&self.behalf).record(&self.database, self.clock.now()).await;
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

fn changed(before: &Client, change: &ClientChange, now: i64) -> Result<Client, Error> {
    let ClientChange { name, scopes, disabled } = change;
    let name = name.as_deref().map(parse_name).transpose()?;
    let scope = scopes.as_deref().map(parse_scope).transpose()?;
    let disabled_at = match disabled {
        Some(true) => before.disabled_at.or(Some(now)),
        Some(false) => None,
        None => before.disabled_at,
    };
    let before = before.clone();
    Ok(Client { name: name.unwrap_or(before.name), scope: scope.unwrap_or(before.scope), disabled_at, ..before })
}

fn parse_name(name: &str) -> Result<String, Error> {
    let rule = "A name is 1 to 64 letters, digits, dots, hyphens and underscores, and does not begin with cli_.";
    if is_name(name) { Ok(name.to_owned()) } else { Err(invalid("name", "name_invalid", rule)) }
}

/// A name is never an id, so that who is meant is never in doubt.
fn is_name(text: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_name_byte) && !text.starts_with(CLIENT)
}

/// Scopes as they are stored: each once, one space between.
fn parse_scope(texts: &[String]) -> Result<String, Error> {
    let scope = Scope::parse(&texts.join(" ")).ok().map(|scope| scope.normalized()).filter(|scope| scope.len() <= LONGEST_SCOPE);
    let rule = "A scope is printable ASCII without spaces, quotes and backslashes; all of a client have at most 1024 characters.";
    scope.ok_or_else(|| invalid("scopes", "scope_invalid", rule))
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
        assert!(is_id(CLIENT, id) && !is_name(id));
        for text in ["", "cli_", &id[4..], &id.to_uppercase(), &id.replace("cli_", "usr_"), &format!("{id} "), "hallpass", "cli_\0"] {
            assert!(!is_id(CLIENT, text), "{text:?}");
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
            assert!(matches!(parse_scope(&[bad.into()]), Err(Error::Invalid { field: "scopes", .. })), "{bad}");
        }
    }
}
