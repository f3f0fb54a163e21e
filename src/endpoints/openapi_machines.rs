//! The routes for machines, as the OpenAPI document has them.

use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder};
use utoipa::openapi::{Content, Header, KnownFormat, Required, ResponseBuilder, SchemaFormat, Type};

use super::metadata::Metadata;
use super::oauth_revoke::Revoked;
use super::openapi_operation::{Operation, get, post, response, text};
use super::revocations::{Body, LONGEST_WAIT};
use super::token_response::TokenResponse;

pub(super) fn operations() -> [Operation; 6] {
    [
        post("/oauth/token", "token", "Get tokens (RFC 6749)")
            .says(
                "`client_credentials` for a client, by HTTP Basic or by its id and secret in the form. `refresh_token` for people's tokens, with \
                 `client_id=hallpass` and no secret.",
            )
            .client()
            .form(&[
                ("grant_type", Required::True, one_of(&["client_credentials", "refresh_token"])),
                ("scope", Required::False, said("Of a client: at most these scopes, space separated.")),
                ("refresh_token", Required::False, said("With `grant_type=refresh_token`.")),
                client_id(),
                client_secret(),
            ])
            .answers::<TokenResponse>(200, "The tokens. A client has no refresh token and no session.")
            .refuses(&[400, 401, 429, 503]),
        post("/oauth/introspect", "introspect", "Ask about a token (RFC 7662)")
            .says("For clients with the scope `hallpass:introspect`.")
            .client()
            .form(&[token(), client_id(), client_secret()])
            .answers_with(200, response("What it says; of one that is not good only that.").content("application/json", Content::new(Some(introspection()))))
            .refuses(&[400, 401, 429, 503]),
        post("/oauth/revoke", "revoke", "Revoke a token (RFC 7009)")
            .says("One's own. An unknown token is none, and that is no error. People's refresh tokens with `client_id=hallpass` and no secret.")
            .client()
            .form(&[token(), client_id(), client_secret()])
            .answers::<Revoked>(200, "It is refused, on every replica within two seconds.")
            .refuses(&[400, 401, 429, 503]),
        get("/.well-known/oauth-authorization-server", "metadata", "What there is, for OAuth clients (RFC 8414)")
            .answers::<Metadata>(200, "There is no `jwks_uri`: HS256 keys are never published.")
            .refuses(&[]),
        get("/auth/verify", "verify", "Ask for a gateway whether a request may pass")
            .says(
                "With the request's own credential. Any method, and any path below `/auth/verify/`, is answered alike. A rule that is unknown, \
                 repeated, empty or malformed refuses everybody.",
            )
            .bearer(&[])
            .query("scope", "Scopes that the token must hold, space separated.", text().min_length(Some(1)))
            .query("role", "A role that it must hold.", text().min_length(Some(1)))
            .query("max_age", "Seconds since the person proved who they are.", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)))
            .answers_with(200, verified())
            .refuses(&[401, 403, 503]),
        get("/revocations", "revocations", "Follow the deny list")
            .says("For services that verify tokens by themselves. `after` is left out the first time: then everything that is in force comes.")
            .bearer(&["hallpass:revocations"])
            .query("after", "`cursor` of the answer before; nothing else is one.", text())
            .query(
                "wait",
                "Seconds to wait for something to tell.",
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(LONGEST_WAIT)),
            )
            .answers::<Body>(200, "What was revoked since.")
            .refuses(&[400, 401, 403, 503]),
    ]
}

fn token() -> (&'static str, Required, Object) {
    ("token", Required::True, said("An access token or a refresh token."))
}

fn client_id() -> (&'static str, Required, Object) {
    ("client_id", Required::False, said("Without HTTP Basic."))
}

fn client_secret() -> (&'static str, Required, Object) {
    ("client_secret", Required::False, said("Without HTTP Basic."))
}

fn said(description: &str) -> Object {
    text().description(Some(description)).build()
}

fn one_of(values: &[&str]) -> Object {
    text().enum_values(Some(values.iter().copied())).build()
}

/// RFC 7662 s2.2: the claims of an access token (RFC 9068), or what the store says of a refresh token.
fn introspection() -> ObjectBuilder {
    let texts = || ArrayBuilder::new().items(text());
    let one_or_many = OneOfBuilder::new().item(text()).item(texts());
    let empty = ObjectBuilder::new().schema_type(Type::Object).property("active", ObjectBuilder::new().schema_type(Type::Boolean));
    let with_texts = ["iss", "sub", "jti", "client_id", "scope", "sid", "acr", "token_type"];
    let with_texts = with_texts.into_iter().fold(empty, |claims, name| claims.property(name, text()));
    let with_times = ["exp", "iat", "auth_time"].into_iter().fold(with_texts, |claims, name| claims.property(name, numeric_date()));
    with_times.property("aud", one_or_many).property("amr", texts()).property("roles", texts()).required("active")
}

fn numeric_date() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}

/// What a gateway passes on.
fn verified() -> ResponseBuilder {
    let headers = ["Subject", "Client", "Scope", "Roles", "Session", "Expires"];
    headers.into_iter().fold(response("It may. Every header is there, with `-` for what the token does not say."), |response, name| {
        response.header(format!("X-Auth-{name}"), Header::new(text()))
    })
}
