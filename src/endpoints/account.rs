//! `GET /account` and `POST /account/password`: a person's own account.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authority::own_account::{OwnAccount, PasswordChange};
use crate::authority::{Authority, Password};
use crate::guard::LiveSession;
use crate::http::{Error, JsonBody};

/// A person's own account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody {
    sub: String,
    email: String,
    created_at: i64,
    otp_enabled: bool,
}

/// The handler of `GET /account`.
///
/// # Errors
/// 401, 403, 503.
pub async fn account(session: LiveSession, authority: Data<Authority>) -> Result<Json<AccountBody>, Error> {
    let OwnAccount { account, otp_enabled } = authority.own_account(session.subject()).await?;
    let email = account.email.as_typed().to_owned();
    Ok(Json(AccountBody { sub: account.id, email, created_at: account.created_at, otp_enabled }))
}

/// The password until now and the one to come.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PasswordChange)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    #[schema(value_type = String, format = Password, min_length = 1)]
    current_password: Password,
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

/// The handler of `POST /account/password`.
///
/// # Errors
/// 400, 401, 403, 413, 415, 422, 429, 503.
pub async fn change_password(
    session: LiveSession,
    authority: Data<Authority>,
    body: JsonBody<PasswordBody>,
) -> Result<HttpResponse, Error> {
    let JsonBody(PasswordBody { current_password: current, new_password: new }) = body;
    if current.is_empty() {
        return Err(Error::InvalidRequest);
    }
    let (account_id, session_id) = (session.subject().to_owned(), session.id().to_owned());
    authority.change_own_password(PasswordChange { account_id, session_id, current, new }).await?;
    Ok(HttpResponse::NoContent().finish())
}
