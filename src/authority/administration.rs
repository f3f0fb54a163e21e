//! What administrators see and do over HTTP: the operators' use cases on behalf of one administrator, with effect in this process at once.

use super::account_change::AccountChange;
use super::accounts::{Accounts, NewPerson, invalid};
use super::admin::{Admin, Behalf};
use super::clients::{ClientChange, Clients, Issued};
use super::id::{PERSON, is_id};
use super::{Authority, Error, Password};
use crate::store::account::Account;
use crate::store::audit::{self, Entry};
use crate::store::client::Client;
use crate::store::second_factor;

/// A person as administrators see them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account.
    pub account: Account,
    /// Whether a login needs a second factor.
    pub otp_enabled: bool,
}

/// An administrator at work.
pub struct Administration<'a> {
    authority: &'a Authority,
    behalf: Behalf,
}

impl Authority {
    /// What this administrator can do.
    pub fn administration(&self, admin: Admin) -> Administration<'_> {
        Administration { authority: self, behalf: Behalf::Admin(admin) }
    }
}

/// People.
impl Administration<'_> {
    /// At most `limit` people in the order their accounts were made, after the one with the id `after`.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn people(&self, after: Option<&str>, limit: u32) -> Result<Vec<Person>, Error> {
        let accounts = self.accounts().page(after, limit).await?;
        let (Some(first), Some(last)) = (accounts.first(), accounts.last()) else {
            return Ok(Vec::new());
        };
        let with_otp = second_factor::confirmed_between(&self.authority.database, &first.id, &last.id).await?;
        let person = |account: Account| Person { otp_enabled: with_otp.contains(&account.id), account };
        Ok(accounts.into_iter().map(person).collect())
    }

    /// The person with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn person(&self, id: &str) -> Result<Person, Error> {
        self.seen(self.accounts().by_id(id).await?).await
    }

    /// Adds a person.
    ///
    /// # Errors
    /// Those of [`Accounts::add`].
    pub async fn add_person(&self, person: &NewPerson, password: Option<Password>) -> Result<Person, Error> {
        each_one_word("scopes", &person.scopes)?;
        each_one_word("roles", &person.roles)?;
        let account = self.accounts().add(person, password, &self.authority.new_passwords()).await?;
        Ok(Person { account, otp_enabled: false })
    }

    /// Changes a person's account.
    ///
    /// # Errors
    /// Those of [`Accounts::change`].
    pub async fn change_person(&self, id: &str, change: &AccountChange) -> Result<Person, Error> {
        each_one_word("scopes", change.scopes.as_deref().unwrap_or_default())?;
        each_one_word("roles", change.roles.as_deref().unwrap_or_default())?;
        let since = self.authority.clock.now();
        let (_, after) = self.accounts().change(id, change).await?;
        self.authority.learn_what_ended(since).await;
        self.seen(after).await
    }

    /// Deletes a person's account for good.
    ///
    /// # Errors
    /// Those of [`Accounts::delete`].
    pub async fn delete_person(&self, id: &str) -> Result<(), Error> {
        self.ending(id, async |accounts, account| accounts.delete(&account).await).await
    }

    /// Gives a person another password, and ends the sessions of the old one.
    ///
    /// # Errors
    /// Those of [`Accounts::set_password`].
    pub async fn set_password(&self, id: &str, password: Password) -> Result<(), Error> {
        let passwords = self.authority.new_passwords();
        self.ending(id, async |accounts, account| accounts.set_password(&account, password, &passwords).await).await
    }

    /// Takes a person's second factor away.
    ///
    /// # Errors
    /// Those of [`Accounts::remove_second_factor`].
    pub async fn remove_second_factor(&self, id: &str) -> Result<(), Error> {
        let accounts = self.accounts();
        accounts.remove_second_factor(&accounts.by_id(id).await?).await
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`]: none was ended.
    pub async fn log_out(&self, id: &str) -> Result<(), Error> {
        let sessions = self.authority.sessions().on_behalf_of(self.behalf.clone());
        self.ending(id, async |_, account| sessions.end_all(&account.id).await).await
    }

    /// Does what ends sessions, and refuses their tokens here at once.
    async fn ending(&self, id: &str, work: impl AsyncFnOnce(&Accounts, Account) -> Result<(), Error>) -> Result<(), Error> {
        let (accounts, since) = (self.accounts(), self.authority.clock.now());
        let account = accounts.by_id(id).await?;
        work(&accounts, account).await?;
        self.authority.learn_what_ended(since).await;
        Ok(())
    }

    async fn seen(&self, account: Account) -> Result<Person, Error> {
        let otp_enabled = self.authority.second_factor_of(&account.id).await?.is_some();
        Ok(Person { account, otp_enabled })
    }

    fn accounts(&self) -> Accounts {
        self.authority.accounts().on_behalf_of(self.behalf.clone())
    }
}

/// Clients.
impl Administration<'_> {
    /// At most `limit` clients in the order they were made, after the one with the id `after`.
    ///
    /// # Errors
    /// Those of [`Clients::page`].
    pub async fn clients(&self, after: Option<&str>, limit: u32) -> Result<Vec<Client>, Error> {
        self.of_clients().page(after, limit).await
    }

    /// Adds a client.
    ///
    /// # Errors
    /// Those of [`Clients::add`].
    pub async fn add_client(&self, name: &str, scopes: &[String]) -> Result<Issued, Error> {
        each_one_word("scopes", scopes)?;
        self.of_clients().add(name, scopes).await
    }

    /// Changes a client.
    ///
    /// # Errors
    /// Those of [`Clients::change`].
    pub async fn change_client(&self, id: &str, change: &ClientChange) -> Result<Client, Error> {
        each_one_word("scopes", change.scopes.as_deref().unwrap_or_default())?;
        let since = self.authority.clock.now();
        let after = self.of_clients().change(id, change).await?;
        self.authority.learn_what_ended(since).await;
        Ok(after)
    }

    /// Gives a client another secret; the one until now stays good beside it until the next time.
    ///
    /// # Errors
    /// Those of [`Clients::rotate_secret`].
    pub async fn rotate_secret(&self, id: &str) -> Result<Issued, Error> {
        let clients = self.of_clients();
        clients.rotate_secret(clients.by_id(id).await?).await
    }

    /// Deletes a client for good.
    ///
    /// # Errors
    /// Those of [`Clients::remove`].
    pub async fn remove_client(&self, id: &str) -> Result<(), Error> {
        let (clients, since) = (self.of_clients(), self.authority.clock.now());
        clients.remove(&clients.by_id(id).await?).await?;
        self.authority.learn_what_ended(since).await;
        Ok(())
    }

    fn of_clients(&self) -> Clients {
        self.authority.clients().on_behalf_of(self.behalf.clone())
    }
}

/// What happened.
impl Administration<'_> {
    /// At most `limit` events, the newest first, older than the one with the id `before`; of one person or of all.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn events(&self, of: Option<&str>, before: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
        match of {
            // It is not even asked about.
            Some(id) if !is_id(PERSON, id) => Ok(Vec::new()),
            of => Ok(audit::list(&self.authority.database, of, before, limit).await?),
        }
    }
}

/// A list of words is one, and not several words in one text as they may be typed at the command line.
fn each_one_word(field: &'static str, words: &[String]) -> Result<(), Error> {
    let code = if field == "roles" { "role_invalid" } else { "scope_invalid" };
    match words.iter().all(|word| !word.is_empty() && !word.contains(' ')) {
        true => Ok(()),
        false => Err(invalid(field, code, "Each is one word, neither empty nor with a space in it.")),
    }
}
