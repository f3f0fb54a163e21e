//! `/admin/users`: people, as administrators see and change them. Nothing in an answer is a password's hash, or makes a login.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account_otp::NoMembers;
use super::admin::{Administrator, Page, PageQuery, present};
use crate::authority::account_change::AccountChange;
use crate::authority::accounts::NewPerson;
use crate::authority::administration::Person;
use crate::authority::{Authority, Password, id};
use crate::http::{Error, JsonBody, OptionalJsonBody};

/// A person. The names are those of `hallpass user show --json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    sub: String,
    email: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    created_at: i64,
    disabled: bool,
    #[schema(required = true)]
    disabled_at: Option<i64>,
    #[schema(required = true)]
    password_changed_at: Option<i64>,
    otp_enabled: bool,
}

impl From<Person> for UserBody {
    fn from(Person { account, otp_enabled }: Person) -> Self {
        Self {
            email: account.email.as_typed().to_owned(),
            sub: account.id,
            scopes: account.scope.split_terminator(' ').map(str::to_owned).collect(),
            roles: account.roles,
            created_at: account.created_at,
            disabled: account.disabled_at.is_some(),
            disabled_at: account.disabled_at,
            password_changed_at: account.password_changed_at,
            otp_enabled,
        }
    }
}

/// A person to be. Without a password nobody can log in before one is set.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub struct NewUserBody {
    #[schema(pattern = "^[!-?A-~]+@[!-?A-~]+$", max_length = 254)]
    email: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password, nullable = false)]
    password: Option<Password>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

/// What is to be different: what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserChange)]
#[serde(deny_unknown_fields)]
pub struct UserChangeBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, pattern = "^[!-?A-~]+@[!-?A-~]+$", max_length = 254)]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPassword)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordBody {
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// The handler of `GET /admin/users`: the oldest account first.
///
/// # Errors
/// 400, 401, 403, 503.
pub async fn list(admin: Administrator, authority: Data<Authority>, request: HttpRequest) -> Result<Json<Page<UserBody>>, Error> {
    let query = PageQuery::read(&request, id::PERSON)?;
    let people = authority.administration(admin.0).people(query.after.as_deref(), query.fetched()).await?;
    Ok(query.page(people, |person| &person.account.id, UserBody::from))
}

/// The handler of `POST /admin/users`. Without a password nobody can log in before one is set.
///
/// # Errors
/// 400, 401, 403, 409, 413, 415, 422, 503.
pub async fn add(admin: Administrator, authority: Data<Authority>, body: JsonBody<NewUserBody>) -> Result<HttpResponse, Error> {
    let JsonBody(NewUserBody { email, password, scopes, roles, disabled }) = body;
    let person = NewPerson { email, scopes, roles, disabled };
    let added = UserBody::from(authority.administration(admin.0).add_person(&person, password).await?);
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/admin/users/{}", added.sub))).json(added))
}

/// The handler of `GET /admin/users/{sub}`.
///
/// # Errors
/// 401, 403, 404, 503.
pub async fn show(admin: Administrator, authority: Data<Authority>, sub: Path<String>) -> Result<Json<UserBody>, Error> {
    Ok(Json(authority.administration(admin.0).person(&sub).await?.into()))
}

/// The handler of `PATCH /admin/users/{sub}`.
///
/// # Errors
/// 400, 401, 403, 404, 409, 413, 415, 422, 503.
pub async fn change(
    admin: Administrator,
    authority: Data<Authority>,
    sub: Path<String>,
    body: JsonBody<UserChangeBody>,
) -> Result<Json<UserBody>, Error> {
    let JsonBody(UserChangeBody { email, scopes, roles, disabled }) = body;
    let change = AccountChange { email, scopes, roles, disabled };
    Ok(Json(authority.administration(admin.0).change_person(&sub, &change).await?.into()))
}

/// The handler of `DELETE /admin/users/{sub}`.
///
/// # Errors
/// 401, 403, 404, 409, 503.
pub async fn delete(admin: Administrator, authority: Data<Authority>, sub: Path<String>) -> Result<HttpResponse, Error> {
    authority.administration(admin.0).delete_person(&sub).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The handler of `POST /admin/users/{sub}/logout`: ends all sessions.
///
/// # Errors
/// 400, 401, 403, 404, 413, 415, 503.
pub async fn log_out(
    admin: Administrator,
    authority: Data<Authority>,
    sub: Path<String>,
    _: OptionalJsonBody<NoMembers>,
) -> Result<HttpResponse, Error> {
    authority.administration(admin.0).log_out(&sub).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The handler of `POST /admin/users/{sub}/password`.
///
/// # Errors
/// 400, 401, 403, 404, 409, 413, 415, 422, 503.
pub async fn set_password(
    admin: Administrator,
    authority: Data<Authority>,
    sub: Path<String>,
    body: JsonBody<NewPasswordBody>,
) -> Result<HttpResponse, Error> {
    authority.administration(admin.0).set_password(&sub, body.0.password).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The handler of `DELETE /admin/users/{sub}/otp`.
///
/// # Errors
/// 401, 403, 404, 409, 503.
pub async fn remove_otp(admin: Administrator, authority: Data<Authority>, sub: Path<String>) -> Result<HttpResponse, Error> {
    authority.administration(admin.0).remove_second_factor(&sub).await?;
    Ok(HttpResponse::NoContent().finish())
}
