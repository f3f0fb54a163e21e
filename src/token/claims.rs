//! The claims of an access token as they are written (RFC 9068 s2.2). How they are read is `parse` and `access_token`.

use serde::{Serialize, Serializer};

/// What a token says. Times are NumericDates; texts are borrowed from whoever mints.
#[derive(Clone, Debug, Serialize)]
pub struct Claims<'a> {
    /// Who issued it.
    pub iss: &'a str,
    /// Whom it speaks of: `usr_…` or `cli_…`.
    pub sub: &'a str,
    /// Whom it is for. Written as a string when there is one, as an array when there are several (RFC 7519 s4.1.3).
    #[serde(serialize_with = "one_or_many")]
    pub aud: &'a [String],
    /// When it stops being believed.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own name, to revoke it by.
    pub jti: &'a str,
    /// The client it was issued to; equal to `sub` when a client speaks for itself.
    pub client_id: &'a str,
    /// What it allows, space separated; present even when empty.
    pub scope: &'a str,
    /// What only the token of a person says.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login<'a>>,
}

/// How and when a person proved who they are (RFC 9068 s2.2.1), and what they are.
#[derive(Clone, Debug, Serialize)]
pub struct Login<'a> {
    /// The session, to log out by.
    pub sid: &'a str,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// By which means (RFC 8176).
    pub amr: &'a [&'a str],
    /// How strong that was: `"1"` one factor, `"2"` two.
    pub acr: &'a str,
    /// Roles, if any.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub roles: &'a [String],
}

fn one_or_many<S: Serializer>(values: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match values {
        [one] => serializer.serialize_str(one),
        many => serializer.collect_seq(many),
    }
}
