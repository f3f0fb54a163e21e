//! A stranger makes an account of their own, where that is allowed.

use std::net::IpAddr;

use super::accounts::NewPerson;
use super::{Authority, Error, Password};
use crate::store::account::Account;

impl Authority {
    /// Adds a person with a password, and with no scopes and no roles: what somebody may do is for operators to say.
    ///
    /// A known address is told as such: there is no mail to hide it behind. So whoever asks about many is limited like those who try one
    /// password over many accounts.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`]; [`Error::Invalid`] with every reason; [`Error::Conflict`] when the address is taken; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn register(&self, email: String, password: Password, from: Option<IpAddr>) -> Result<Account, Error> {
        let _counted_even_if_right = self.limits.login(from, &email)?;
        let person = NewPerson { email, ..NewPerson::default() };
        self.accounts().add(&person, Some(password), &self.new_passwords()).await
    }
}
