//! `POST /logout`: ends sessions of the person who asks.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::authority::logout::{LogoutRequest, Which};
use crate::guard::{MaybeSessionToEnd, Refusal};
use crate::http::{Cookies, Error, OptionalJsonBody, Transport};
use crate::secret::Secret;

/// Which sessions end; this one if it is left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Logout)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    #[serde(default)]
    which: Option<WhichSessions>,
    /// In the place of an access token.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

/// This session, all others, or all.
#[derive(Debug, Default, Deserialize, ToSchema)]
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
/// 400, 401, 403, 413, 415, 503.
pub async fn logout(
    request: HttpRequest,
    authority: Data<Authority>,
    cookies: Data<Cookies>,
    bearer: MaybeSessionToEnd,
    body: OptionalJsonBody<LogoutBody>,
) -> Result<HttpResponse, Error> {
    let (MaybeSessionToEnd(bearer), OptionalJsonBody(LogoutBody { which, refresh_token })) = (bearer, body);
    let (which, in_cookie) = (Which::from(which.unwrap_or_default()), cookies.refresh_token(&request)?);
    let is_bearer_cookie = cookies.transport_of(&request)? == Transport::Cookie;
    let by_cookie = is_bearer_cookie || in_cookie.is_some();
    let otherwise = refresh_token.is_some() || (bearer.is_some() && !is_bearer_cookie);
    match (by_cookie, otherwise) {
        (false, false) => return Err(Refusal::MissingToken.into()),
        // Cookies come along unasked: whose session is meant must not be guessed.
        (true, true) => return Err(Error::InvalidRequest),
        _ => {}
    }
    let ended = authority.logout(LogoutRequest { which, bearer, refresh_token: refresh_token.or(in_cookie) }).await;
    let leaves = by_cookie && which != Which::Others;
    answer(ended.map_err(Error::from), leaves.then_some(&cookies))
}

/// Who wants to be out gets out: a session that was over before is no reason to keep its cookies. If it could not be recorded, the cookies
/// stay, and with them the means to try again.
fn answer(ended: Result<(), Error>, to_clear: Option<&Cookies>) -> Result<HttpResponse, Error> {
    let Some(cookies) = to_clear else {
        return ended.map(|()| HttpResponse::NoContent().finish());
    };
    let mut response = match ended {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) if error.status_code() == StatusCode::UNAUTHORIZED => error.error_response(),
        Err(error) => return Err(error),
    };
    cookies.clear(response.headers_mut())?;
    Ok(response)
}
