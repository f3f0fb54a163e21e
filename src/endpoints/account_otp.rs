//! `POST /account/otp`, `POST /account/otp/confirm`, `DELETE /account/otp`: the person's own second factor.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authority::{self, Authority};
use crate::guard::{LiveSession, Policy};
use crate::http::{Error, JsonBody, OptionalJsonBody};
use crate::secret::Secret;

/// How one logs in is changed only by whoever proved a moment ago who they are.
#[derive(Debug)]
pub struct FreshLogin;

impl Policy for FreshLogin {
    const PERSON: bool = true;
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
}

/// No members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoMembers {}

/// What confirms: a code of the new second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OtpConfirmation)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    #[schema(value_type = String)]
    otp: Secret,
}

/// The secret in three forms, told this once.
#[derive(Serialize, ToSchema)]
#[schema(as = OtpEnrolment)]
pub(super) struct Enrolled<'a> {
    secret: &'a str,
    otpauth_uri: &'a str,
    qr_svg: &'a str,
}

/// The recovery codes, told this once.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
pub(super) struct Confirmed<'a> {
    recovery_codes: Vec<&'a str>,
}

/// Makes a secret. Nothing needs a code before it is confirmed.
///
/// # Errors
/// 400, 401, 403, 409, 413, 415, 503.
pub async fn enrol(
    authority: Data<Authority>,
    session: LiveSession<FreshLogin>,
    _: OptionalJsonBody<NoMembers>,
) -> Result<HttpResponse, Error> {
    let enrolment = authority.enrol_second_factor(session.subject()).await?;
    let otpauth_uri = enrolment.otpauth_uri.expose();
    // An address of at most 254 characters fits the largest code several times over.
    let code = QRBuilder::new(otpauth_uri).build().map_err(|error| authority::Error::Internal(error.into()))?;
    let qr_svg = Secret::from(SvgBuilder::default().to_str(&code));
    let enrolled = Enrolled { secret: enrolment.secret.expose(), otpauth_uri, qr_svg: qr_svg.expose() };
    Ok(HttpResponse::Ok().json(enrolled))
}

/// Confirms it by a code, and tells the recovery codes.
///
/// # Errors
/// 400, 401, 403, 404, 409, 413, 415, 429, 503.
pub async fn confirm(
    authority: Data<Authority>,
    session: LiveSession<FreshLogin>,
    body: JsonBody<ConfirmBody>,
) -> Result<HttpResponse, Error> {
    let codes = authority.confirm_second_factor(session.subject(), &body.0.otp).await?;
    Ok(HttpResponse::Ok().json(Confirmed { recovery_codes: codes.iter().map(Secret::expose).collect() }))
}

/// Takes it away, confirmed or not.
///
/// # Errors
/// 401, 403, 503.
pub async fn remove(authority: Data<Authority>, session: LiveSession<FreshLogin>) -> Result<HttpResponse, Error> {
    let auth_time = session.auth_time().unwrap_or_default();
    authority.remove_second_factor(session.subject(), session.acr(), auth_time).await?;
    Ok(HttpResponse::NoContent().finish())
}
