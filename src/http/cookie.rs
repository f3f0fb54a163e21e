//! The two cookies of a browser: their names, their attributes, and who may use them. What they hold is looked into elsewhere.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Error;
use crate::authority::{self, Grant};
use crate::config::SameSite;
use crate::guard::Guard;
use crate::guard::cookie::{ACCESS_COOKIE, cookie};
use crate::secret::Secret;

/// The cookie that carries a refresh token.
pub const REFRESH_COOKIE: &str = "__Host-hallpass-refresh";

/// How tokens travel to the client and back.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In bodies and in the `Authorization` header.
    #[default]
    Body,
    /// In cookies that scripts cannot read.
    Cookie,
}

/// What endpoints need to know to take and give cookies.
#[derive(Clone, Debug)]
pub struct Cookies {
    guard: Guard,
    same_site: SameSite,
}

impl Cookies {
    /// Cookies for the pages that this guard trusts.
    pub fn new(guard: Guard, same_site: SameSite) -> Self {
        Self { guard, same_site }
    }

    /// Whether the page that sent this request may use cookies. Setting them needs it as much as reading them: nobody may be logged in to an
    /// account that is not theirs.
    ///
    /// # Errors
    /// 403 `csrf_failed`.
    pub fn check_origin(&self, request: &HttpRequest) -> Result<(), Error> {
        Ok(self.guard.check_origin(request)?)
    }

    /// The refresh token that came as a cookie. It is given out only for a page that may use it.
    ///
    /// # Errors
    /// 400 for two of them, 403 `csrf_failed`.
    pub fn refresh_token(&self, request: &HttpRequest) -> Result<Option<Secret>, Error> {
        let Some(value) = cookie(request.headers(), REFRESH_COOKIE).map_err(|_| Error::InvalidRequest)? else {
            return Ok(None);
        };
        self.check_origin(request)?;
        // Bytes that are no text are no token of ours either, so it does not matter what becomes of them.
        Ok(Some(Secret::from(String::from_utf8_lossy(value).into_owned())))
    }

    /// How the access token of an authenticated request came: whoever sent it as a cookie is answered by cookie.
    ///
    /// # Errors
    /// 400 for two cookies.
    pub fn transport_of(&self, request: &HttpRequest) -> Result<Transport, Error> {
        // A header and a cookie at once did not get past the guard.
        let is_cookie = cookie(request.headers(), ACCESS_COOKIE)?.is_some();
        Ok(if is_cookie { Transport::Cookie } else { Transport::Body })
    }

    /// Gives the browser the tokens, each for as long as it lives.
    ///
    /// # Errors
    /// None for tokens of ours, which are made of the letters that a cookie takes.
    pub fn keep(&self, grant: &Grant, headers: &mut HeaderMap) -> Result<(), Error> {
        headers.append(SET_COOKIE, self.set(ACCESS_COOKIE, grant.access_token.expose(), grant.expires_in)?);
        if let Some(refresh_token) = &grant.refresh_token {
            headers.append(SET_COOKIE, self.set(REFRESH_COOKIE, refresh_token.expose(), grant.refresh_expires_in)?);
        }
        Ok(())
    }

    /// Takes both from the browser. Only for those who asked to be logged out: an answer to anybody else may arrive after a newer login, or after
    /// another tab's refresh, and would take away what that one was given.
    ///
    /// # Errors
    /// None, as above.
    pub fn clear(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        headers.append(SET_COOKIE, self.set(ACCESS_COOKIE, "", 0)?);
        headers.append(SET_COOKIE, self.set(REFRESH_COOKIE, "", 0)?);
        Ok(())
    }

    /// The same attributes for setting and clearing, or the browser would keep the old one beside it.
    fn set(&self, name: &str, value: &str, max_age: u64) -> Result<HeaderValue, Error> {
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
        };
        let text = format!("{name}={value}; Max-Age={max_age}; Path=/; SameSite={same_site}; Secure; HttpOnly");
        let mut header = HeaderValue::try_from(text).map_err(|error| authority::Error::Internal(error.into()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}
