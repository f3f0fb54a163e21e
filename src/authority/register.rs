//! A stranger makes an account of their own, where that is allowed.

use super::accounts::NewPerson;
use super::{Authority, Error, Password};
use crate::store::account::Account;

impl Authority {
    /// Adds a person with a password, and with no scopes and no roles: what somebody may do is for operators to say.
    ///
    /// A known address is told as such: there is no mail to hide it behind.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every reason; [`Error::Conflict`] when the address is taken; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn register(&self, email: String, password: Password) -> Result<Account, Error> {
        let person = NewPerson { email, ..NewPerson::default() };
        self.accounts().add(&person, Some(password), &self.new_passwords()).await
    }
}
