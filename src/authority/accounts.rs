//! People's accounts: made, found, listed, disabled, deleted, imported.
//!
//! What operators do, whether at the command line or over HTTP. A password that gets in here as text has to pass the rules for new ones; a
//! hash from elsewhere has to be one that can be verified. It needs no signing key, and hashing threads only where something is hashed.

use super::account_change::AccountChange;
use super::admin::Behalf;
use super::audit::{Event, Happening};
use super::hasher::{HashingError, NewPasswordError};
use super::id::{PERSON, is_id};
use super::password_policy::{self, Violation};
use super::{Authority, Error, Hasher, Password};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::store::account::{self, Account, NewAccount};
use crate::store::{Database, Email, second_factor};
use crate::token::Scope;

/// All scopes of a person together, in characters, and all roles: few enough that a token of them all can be minted.
pub(super) const LONGEST_SCOPE: usize = 1024;
pub(super) const LONGEST_ROLES: usize = 512;

/// The accounts of a store.
#[derive(Clone, Debug)]
pub struct Accounts {
    pub(super) database: Database,
    pub(super) clock: Clock,
    pub(super) behalf: Behalf,
}

/// Makes hashes of new passwords, if the rules allow them.
#[derive(Clone)]
pub struct NewPasswords {
    /// Hashes at the configured cost.
    pub hasher: Hasher,
    /// The shortest password, in characters.
    pub min_length: usize,
}

/// A person to be added, as typed.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    /// The e-mail address.
    pub email: String,
    /// Scopes; each text may hold several, space separated.
    pub scopes: Vec<String>,
    /// Roles, likewise.
    pub roles: Vec<String>,
    /// Whether logins are refused until somebody enables the account.
    pub disabled: bool,
}

impl Authority {
    /// The accounts of this authority's store.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.database.clone(), self.clock.clone())
    }

    /// The rules and the threads of this authority.
    pub fn new_passwords(&self) -> NewPasswords {
        NewPasswords { hasher: self.hasher.clone(), min_length: self.terms.min_password_length }
    }
}

impl NewPasswords {
    pub(super) async fn hash(&self, password: Password, email: &Email) -> Result<Secret, Error> {
        let context = password_policy::context_of(email.as_typed());
        match self.hasher.hash_new(password, &context, self.min_length).await {
            Ok(hash) => Ok(Secret::from(hash.as_str())),
            Err(NewPasswordError::Refused(violations)) => Err(Error::Invalid { field: "password", violations }),
            Err(NewPasswordError::Hashing(HashingError::DoesNotFit)) => {
                Err(invalid("password", "password_invalid", "This password cannot be used."))
            }
            Err(NewPasswordError::Hashing(error)) => Err(error.into()),
        }
    }
}

impl Accounts {
    /// The accounts of this store.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock, behalf: Behalf::Own }
    }

    /// The same, on behalf of somebody.
    pub fn on_behalf_of(self, behalf: Behalf) -> Self {
        Self { behalf, ..self }
    }

    /// Adds a person. Without a password nobody can log in until somebody sets one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every reason; [`Error::Conflict`] when the address is taken; [`Error::Busy`]; [`Error::StoreUnavailable`]; for
    /// administrators [`Error::ScopeNotHeld`].
    pub async fn add(&self, person: &NewPerson, password: Option<Password>, passwords: &NewPasswords) -> Result<Account, Error> {
        let email = parse_email(&person.email)?;
        let (scope, roles) = (parse_scope(&person.scopes)?, parse_roles(&person.roles)?);
        self.behalf.may_grant("", &scope)?;
        // Asked first only to save the hashing: the insertion decides.
        if account::by_email(&self.database, &email).await?.is_some() {
            return Err(Error::Conflict);
        }
        let password_hash = match password {
            Some(password) => Some(passwords.hash(password, &email).await?),
            None => None,
        };
        let (new, now) = (NewAccount { email, password_hash, scope, roles }, self.clock.now());
        let account = match person.disabled {
            true => account::insert_disabled(&self.database, new, now).await?,
            false => account::insert(&self.database, new, now).await?,
        };
        self.record(Event::AccountAdded, &account).await;
        Ok(account)
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for what is no id; [`Error::StoreUnavailable`].
    pub async fn by_id(&self, id: &str) -> Result<Account, Error> {
        if !is_id(PERSON, id) {
            return Err(Error::NotFound);
        }
        account::by_id(&self.database, id).await?.ok_or(Error::NotFound)
    }

    /// The account with this address.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for what is no address; [`Error::StoreUnavailable`].
    pub async fn by_email(&self, email: &str) -> Result<Account, Error> {
        let email = Email::parse(email).map_err(|_| Error::NotFound)?;
        account::by_email(&self.database, &email).await?.ok_or(Error::NotFound)
    }

    /// At most `limit` accounts in the order they were made, after the account `after` or from the first.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Account>, Error> {
        Ok(account::list(&self.database, after, limit).await?)
    }

    /// How many people of a page need a second factor to log in.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn with_second_factor(&self, page: &[Account]) -> Result<usize, Error> {
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(0) };
        Ok(second_factor::confirmed_between(&self.database, &first.id, &last.id).await?.len())
    }

    /// Refuses logins from now on, and ends the sessions there are. False: they were refused before.
    ///
    /// # Errors
    /// Those of [`Accounts::change`].
    pub async fn disable(&self, account: &Account) -> Result<bool, Error> {
        self.set_disabled(account, true).await
    }

    /// Allows logins again. False: they were allowed.
    ///
    /// # Errors
    /// Those of [`Accounts::change`].
    pub async fn enable(&self, account: &Account) -> Result<bool, Error> {
        self.set_disabled(account, false).await
    }

    async fn set_disabled(&self, account: &Account, disabled: bool) -> Result<bool, Error> {
        let change = AccountChange { disabled: Some(disabled), ..AccountChange::default() };
        let (before, after) = self.change(&account.id, &change).await?;
        Ok(before.disabled_at != after.disabled_at)
    }

    /// Replaces the password and ends the sessions of the old one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every reason; [`Error::NotFound`]; [`Error::Busy`]; [`Error::StoreUnavailable`]; for administrators
    /// [`Error::ScopeNotHeld`], [`Error::OwnRights`].
    pub async fn set_password(&self, account: &Account, password: Password, passwords: &NewPasswords) -> Result<(), Error> {
        self.may_act_for(account)?;
        let hash = passwords.hash(password, &account.email).await?;
        found(account::set_password_hash(&self.database, &account.id, &hash, self.clock.now()).await?)?;
        self.record(Event::PasswordChanged, account).await;
        Ok(())
    }

    /// Takes the second factor of somebody away who lost it. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; for administrators [`Error::ScopeNotHeld`], [`Error::OwnRights`].
    pub async fn remove_second_factor(&self, account: &Account) -> Result<(), Error> {
        self.may_act_for(account)?;
        if second_factor::delete(&self.database, &account.id).await? {
            self.record(Event::SecondFactorRemoved, account).await;
        }
        Ok(())
    }

    /// Their own proofs people change by themselves, where the old ones are asked for.
    fn may_act_for(&self, account: &Account) -> Result<(), Error> {
        self.behalf.is_another(&account.id)?;
        self.behalf.may_act_for(&account.scope)
    }

    async fn record(&self, event: Event, account: &Account) {
        Happening::to_account(event, &account.id).on_behalf_of(&self.behalf).record(&self.database, self.clock.now()).await;
    }
}

fn found(was_there: bool) -> Result<(), Error> {
    if was_there { Ok(()) } else { Err(Error::NotFound) }
}

pub(super) fn parse_email(text: &str) -> Result<Email, Error> {
    Email::parse(text).map_err(|_| {
        invalid("email", "email_invalid", "An e-mail address has one @ between two parts, at most 254 ASCII characters, and no spaces.")
    })
}

/// Scopes as they are stored: each once, one space between.
pub(super) fn parse_scope(texts: &[String]) -> Result<String, Error> {
    let rule = "A scope is printable ASCII without spaces, quotes and backslashes; all of a person have at most 1024 characters.";
    words(&texts.join(" "), LONGEST_SCOPE).map_err(|_| invalid("scopes", "scope_invalid", rule))
}

pub(super) fn parse_roles(texts: &[String]) -> Result<Vec<String>, Error> {
    let rule = "A role is printable ASCII without spaces, quotes and backslashes; all of a person have at most 512 characters.";
    let roles = words(&texts.join(" "), LONGEST_ROLES).map_err(|_| invalid("roles", "role_invalid", rule))?;
    Ok(roles.split_terminator(' ').map(str::to_owned).collect())
}

/// Why scopes or roles cannot be somebody's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    NoWords,
    TooLong,
}

/// Each word once.
pub(super) fn words(text: &str, longest: usize) -> Result<String, Unfit> {
    let words = Scope::parse(text).map_err(|_| Unfit::NoWords)?.normalized();
    if words.len() <= longest { Ok(words) } else { Err(Unfit::TooLong) }
}

pub(super) fn invalid(field: &'static str, code: &'static str, message: &str) -> Error {
    Error::Invalid { field, violations: vec![Violation { code, message: message.to_owned() }] }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authority::HasherSettings;
    use crate::authority::password_hash::{MIN_COST, StoredHash};
    use crate::clock::TestClock;

    const PASSWORD: &str = "plum kettle orbit seven";

    struct Fixture {
        accounts: Accounts,
        passwords: NewPasswords,
        clock: TestClock,
        _folder: tempfile::TempDir,
    }

    async fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite:{}", folder.path().join("test.db").display()), 4).unwrap();
        database.migrate().await.unwrap();
        let settings = HasherSettings { cost: MIN_COST, threads: 2, queue: 64, queue_timeout: Duration::from_secs(60) };
        let passwords = NewPasswords { hasher: Hasher::start(settings).unwrap(), min_length: 15 };
        let clock = TestClock::at(1_800_000_000);
        Fixture { accounts: Accounts::new(database, clock.clone().into()), passwords, clock, _folder: folder }
    }

    fn person(email: &str) -> NewPerson {
        NewPerson { email: email.to_owned(), scopes: vec!["a b".to_owned(), "a".to_owned()], roles: vec!["r".to_owned()], disabled: false }
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn of_32_people_who_are_added_at_once_under_one_address_one_is() {
        let Fixture { accounts, passwords, _folder, .. } = fixture().await;
        let adding = (0..32).map(|n| {
            let (accounts, passwords) = (accounts.clone(), passwords.clone());
            let email = if n % 2 == 0 { "ada@example.org" } else { "ADA@example.org" };
            tokio::spawn(async move { accounts.add(&person(email), Some(password(PASSWORD)), &passwords).await })
        });
        let mut added = 0;
        for outcome in adding.collect::<Vec<_>>() {
            match outcome.await.unwrap() {
                Ok(account) => {
                    added += 1;
                    assert_eq!((account.scope.as_str(), account.roles), ("a b", vec!["r".to_owned()]));
                }
                Err(error) => assert!(matches!(error, Error::Conflict), "{error}"),
            }
        }
        assert_eq!(added, 1);
    }

    #[tokio::test]
    async fn c27_a_password_that_the_rules_forbid_changes_nothing_and_is_not_hashed() {
        let Fixture { accounts, passwords, _folder, .. } = fixture().await;
        let ada = accounts.add(&person("ada@example.org"), Some(password(PASSWORD)), &passwords).await.unwrap();
        let before = passwords.hasher.rounds();
        for text in ["short", "ada@example.org-ada@example.org", "a\0b plum kettle orbit seven", &"x1 ".repeat(30)] {
            let refused = accounts.set_password(&ada, password(text), &passwords).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { field: "password", .. }), "{refused}");
        }
        assert_eq!(passwords.hasher.rounds(), before);
        let stored = accounts.by_email("ADA@example.org").await.unwrap().password_hash.unwrap();
        assert_eq!(stored.expose(), ada.password_hash.unwrap().expose());
    }

    #[tokio::test]
    async fn the_first_time_that_somebody_was_disabled_is_kept_and_a_new_password_has_its_own_time() {
        let Fixture { accounts, passwords, clock, _folder } = fixture().await;
        accounts.add(&person("ada@example.org"), Some(password(PASSWORD)), &passwords).await.unwrap();
        let ada = async || accounts.by_email("ada@example.org").await.unwrap();
        assert!(accounts.disable(&ada().await).await.unwrap());
        clock.advance(60);
        assert!(!accounts.disable(&ada().await).await.unwrap());
        assert_eq!(ada().await.disabled_at, Some(1_800_000_000));
        assert!(accounts.enable(&ada().await).await.unwrap());
        assert!(!accounts.enable(&ada().await).await.unwrap());

        accounts.set_password(&ada().await, password("orbit kettle plum eight"), &passwords).await.unwrap();
        let ada = ada().await;
        assert_eq!((ada.password_changed_at, ada.disabled_at), (Some(1_800_000_060), None));
        assert_eq!(StoredHash::parse(ada.password_hash.as_ref().unwrap().expose()).unwrap().cost(), MIN_COST);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let Fixture { accounts, passwords, _folder, .. } = fixture().await;
        assert!(matches!(accounts.by_email("no address").await, Err(Error::NotFound)));
        let ada = accounts.add(&person("ada@example.org"), Some(password(PASSWORD)), &passwords).await.unwrap();
        accounts.delete(&ada).await.unwrap();
        assert!(matches!(accounts.by_email("ada@example.org").await, Err(Error::NotFound)));
        assert!(matches!(accounts.delete(&ada).await, Err(Error::NotFound)));
        assert!(matches!(accounts.disable(&ada).await, Err(Error::NotFound)));
        assert!(matches!(accounts.set_password(&ada, password(PASSWORD), &passwords).await, Err(Error::NotFound)));
        assert!(accounts.page(None, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn c13_an_address_a_scope_or_a_role_of_the_wrong_form_is_named_by_its_field() {
        let Fixture { accounts, passwords, _folder, .. } = fixture().await;
        let bad = |email: &str, scope: &str, role: &str| NewPerson {
            email: email.to_owned(),
            scopes: vec![scope.to_owned()],
            roles: vec![role.to_owned()],
            disabled: false,
        };
        for (new, named) in [(bad("ada", "a", "r"), "email"), (bad("a@b", "a\"", "r"), "scopes"), (bad("a@b", "a", "\u{e4}"), "roles")] {
            let refused = accounts.add(&new, Some(password(PASSWORD)), &passwords).await.unwrap_err();
            assert!(matches!(&refused, Error::Invalid { field, .. } if *field == named), "{refused}");
        }
    }
}
