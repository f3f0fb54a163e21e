//! `/admin/clients`: machines, as administrators see and change them. A secret is told once, when it is made.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account_otp::NoMembers;
use super::admin::{Administrator, Page, PageQuery, present};
use crate::authority::clients::{Client, ClientChange, Issued};
use crate::authority::{Authority, id};
use crate::http::{Error, JsonBody, OptionalJsonBody};
use crate::secret::Secret;

/// A client. The names are those of `hallpass client list --json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientBody {
    client_id: String,
    name: String,
    scopes: Vec<String>,
    created_at: i64,
    #[schema(required = true)]
    secret_rotated_at: Option<i64>,
    /// How many are good at this moment.
    secrets: u8,
    disabled: bool,
    #[schema(required = true)]
    disabled_at: Option<i64>,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.id,
            name: client.name,
            scopes: client.scope.split_terminator(' ').map(str::to_owned).collect(),
            created_at: client.created_at,
            secret_rotated_at: client.secret_rotated_at,
            secrets: 1 + u8::from(client.previous_secret_hash.is_some()),
            disabled: client.disabled_at.is_some(),
            disabled_at: client.disabled_at,
        }
    }
}

/// A client with the secret that it was just given, told this once.
// Not Debug.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedClient)]
pub struct IssuedBody {
    #[schema(value_type = String)]
    client_secret: IssuedSecret,
    #[serde(flatten)]
    client: ClientBody,
}

#[derive(Serialize)]
#[serde(transparent)]
struct IssuedSecret(#[serde(serialize_with = "exposed")] Secret);

fn exposed<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

impl From<Issued> for IssuedBody {
    fn from(Issued { client, secret }: Issued) -> Self {
        Self { client_secret: IssuedSecret(secret), client: client.into() }
    }
}

/// A client to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewClient)]
#[serde(deny_unknown_fields)]
pub struct NewClientBody {
    #[schema(pattern = "^[A-Za-z0-9._-]+$", max_length = 64)]
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// What is to be different: what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ClientChange)]
#[serde(deny_unknown_fields)]
pub struct ClientChangeBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]+$", max_length = 64)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// The handler of `GET /admin/clients`: the oldest first.
///
/// # Errors
/// 400, 401, 403, 503.
pub async fn list(admin: Administrator, authority: Data<Authority>, request: HttpRequest) -> Result<Json<Page<ClientBody>>, Error> {
    let query = PageQuery::read(&request, id::CLIENT)?;
    let clients = authority.administration(admin.0).clients(query.after.as_deref(), query.fetched()).await?;
    Ok(query.page(clients, |client| &client.id, ClientBody::from))
}

/// The handler of `POST /admin/clients`.
///
/// # Errors
/// 400, 401, 403, 409, 413, 415, 422, 503.
pub async fn add(admin: Administrator, authority: Data<Authority>, body: JsonBody<NewClientBody>) -> Result<HttpResponse, Error> {
    let JsonBody(NewClientBody { name, scopes }) = body;
    let issued = authority.administration(admin.0).add_client(&name, &scopes).await?;
    Ok(HttpResponse::Created().json(IssuedBody::from(issued)))
}

/// The handler of `PATCH /admin/clients/{id}`.
///
/// # Errors
/// 400, 401, 403, 404, 409, 413, 415, 422, 503.
pub async fn change(
    admin: Administrator,
    authority: Data<Authority>,
    id: Path<String>,
    body: JsonBody<ClientChangeBody>,
) -> Result<Json<ClientBody>, Error> {
    let JsonBody(ClientChangeBody { name, scopes, disabled }) = body;
    let change = ClientChange { name, scopes, disabled };
    Ok(Json(authority.administration(admin.0).change_client(&id, &change).await?.into()))
}

/// The handler of `DELETE /admin/clients/{id}`.
///
/// # Errors
/// 401, 403, 404, 409, 503.
pub async fn remove(admin: Administrator, authority: Data<Authority>, id: Path<String>) -> Result<HttpResponse, Error> {
    authority.administration(admin.0).remove_client(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The handler of `POST /admin/clients/{id}/secret`: the secret until now stays good until the next time.
///
/// # Errors
/// 400, 401, 403, 404, 413, 415, 503.
pub async fn rotate_secret(
    admin: Administrator,
    authority: Data<Authority>,
    id: Path<String>,
    _: OptionalJsonBody<NoMembers>,
) -> Result<Json<IssuedBody>, Error> {
    Ok(Json(authority.administration(admin.0).rotate_secret(&id).await?.into()))
}
