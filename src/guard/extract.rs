//! Extractors: the argument's type says what a handler needs, and no handler runs without it.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::{Error, FromRequest, HttpRequest};

use super::policy::{self, Policy};
use super::{AccessToken, Guard, Refusal, refuse};
#[cfg(feature = "service")]
use crate::token::verify::SessionToEnd;

impl FromRequest for AccessToken {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).map_err(|refusal| answer(refusal, request)))
    }
}

/// A token if the request carries one. A request with a *bad* token is refused, never taken for an anonymous one.
#[derive(Clone, Debug)]
pub struct MaybeAccessToken(Option<AccessToken>);

impl MaybeAccessToken {
    /// The token, if there was one.
    pub fn into_inner(self) -> Option<AccessToken> {
        self.0
    }
}

impl Deref for MaybeAccessToken {
    type Target = Option<AccessToken>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for MaybeAccessToken {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match authenticate(request) {
            Ok(token) => Ok(Self(Some(token))),
            Err(Refusal::MissingToken) => Ok(Self(None)),
            Err(refusal) => Err(answer(refusal, request)),
        })
    }
}

/// A token that satisfies the policy `P`. Reads like the token itself.
#[derive(Debug)]
pub struct Require<P> {
    token: AccessToken,
    policy: PhantomData<fn() -> P>,
}

impl<P> Require<P> {
    /// The token.
    pub fn into_inner(self) -> AccessToken {
        self.token
    }
}

impl<P> Deref for Require<P> {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        &self.token
    }
}

impl<P: Policy> FromRequest for Require<P> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = authorize::<P>(request);
        ready(token.map(|token| Self { token, policy: PhantomData }).map_err(|refusal| answer(refusal, request)))
    }
}

/// The session of the bearer token that a request carries, if any, for ending it: the token may have expired or been revoked. A request
/// with any other bad token is refused, and so is a client's, which has no session.
#[cfg(feature = "service")]
#[doc(hidden)]
#[derive(Debug)]
pub struct MaybeSessionToEnd(pub Option<SessionToEnd>);

#[cfg(feature = "service")]
impl FromRequest for MaybeSessionToEnd {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = Guard::of(request).and_then(|guard| guard.session_to_end(request));
        ready(session.map(Self).map_err(|refusal| answer(refusal, request)))
    }
}

/// The request's token, if its guard believes it.
pub(super) fn authenticate(request: &HttpRequest) -> Result<AccessToken, Refusal> {
    Guard::of(request)?.authenticate(request)
}

/// The request's token, if its guard believes it and the policy is satisfied.
pub(super) fn authorize<P: Policy>(request: &HttpRequest) -> Result<AccessToken, Refusal> {
    let guard = Guard::of(request)?;
    let token = guard.authenticate(request)?;
    policy::authorize::<P>(&token, guard.now())?;
    Ok(token)
}

pub(super) fn answer(refusal: Refusal, request: &HttpRequest) -> Error {
    let response = refuse(&refusal, request);
    InternalError::from_response(refusal, response).into()
}
