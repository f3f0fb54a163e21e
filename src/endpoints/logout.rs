//! `POST /logout`: ends sessions of the person who asks.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;

use crate::authority::Authority;
use crate::authority::logout::{LogoutRequest, Which};
use crate::guard::{MaybeSessionToEnd, Refusal};
use crate::http::{Error, OptionalJsonBody};
use crate::secret::Secret;

/// The body, which may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    #[serde(default)]
    which: Option<WhichSessions>,
    #[serde(default)]
    refresh_token: Option<Secret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhichSessions {
    #[default]
    This,
    Others,
    All,
}

impl From<WhichSessions> for Which {
    fn from(which: WhichSessions) -> Self {
        match which {
            WhichSessions::This => Which::This,
            WhichSessions::Others => Which::Others,
            WhichSessions::All => Which::All,
        }
    }
}

/// The handler. 204 means that it is recorded, and so will hold everywhere.
///
/// # Errors
/// 400, 401, 413, 415, 503.
pub async fn logout(
    authority: Data<Authority>,
    bearer: MaybeSessionToEnd,
    body: OptionalJsonBody<LogoutBody>,
) -> Result<HttpResponse, Error> {
    let (MaybeSessionToEnd(bearer), OptionalJsonBody(LogoutBody { which, refresh_token })) = (bearer, body);
    if bearer.is_none() && refresh_token.is_none() {
        return Err(Refusal::MissingToken.into());
    }
    authority.logout(LogoutRequest { which: which.unwrap_or_default().into(), bearer, refresh_token }).await?;
    Ok(HttpResponse::NoContent().finish())
}
