//! The routes for operators and administrators, as the OpenAPI document has them.

use utoipa::openapi::{Content, Header};

use super::openapi_operation::{Operation, delete, get, patch, post, response, text};
use super::{account_otp, admin_audit, admin_clients, admin_users, probes};
use crate::authority::admin::ADMIN;

const SUB: &str = "^usr_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
const CLIENT_ID: &str = "^cli_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

/// Probes, and this document.
pub(super) fn operations() -> [Operation; 6] {
    let document = Content::new(Some(utoipa::openapi::schema::empty()));
    [
        get("/livez", "livez", "Whether the process answers").answers::<probes::Health>(200, "It does.").refuses(&[]),
        get("/healthz", "healthz", "The same as `/livez`").answers::<probes::Health>(200, "It does.").refuses(&[]),
        get("/readyz", "readyz", "Whether it is to get traffic")
            .answers::<probes::Health>(200, "Store, keys and deny list are there, and it is not shutting down.")
            .refuses(&[503]),
        get("/metrics", "metrics", "What goes on")
            .says("On the operators' own address where `server.ops_listen` names one, and not here then.")
            .answers_with(200, response("OpenMetrics 1.0.").content("application/openmetrics-text", Content::new(Some(text()))))
            .refuses(&[]),
        get("/docs", "docs", "This document, for reading")
            .says("The route is there unless `server.docs` is false.")
            .answers_with(200, response("A page without scripts.").content("text/html", Content::new(Some(text()))))
            .refuses(&[]),
        get("/openapi.json", "openapi", "This document")
            .answers_with(200, response("OpenAPI 3.1.").content("application/json", document))
            .refuses(&[]),
    ]
}

/// Everything under `/admin`.
pub(super) fn administration() -> Vec<Operation> {
    let mut all = Vec::from(users());
    all.extend(clients());
    all.push(
        get("/admin/audit", "listEvents", "List what happened, the newest first")
            .query("sub", "Only what happened to this person.", text())
            .answers_page::<admin_audit::EventBody>("A page of it.")
            .refuses(&[400, 401, 403, 429, 503]),
    );
    all.into_iter().map(|operation| operation.bearer(&[ADMIN])).collect()
}

fn users() -> [Operation; 8] {
    use admin_users::{NewPasswordBody, NewUserBody, UserBody, UserChangeBody};
    let path = Header::new(text());
    [
        get("/admin/users", "listUsers", "List people, the oldest account first")
            .answers_page::<UserBody>("A page of them.")
            .refuses(&[400, 401, 403, 429, 503]),
        post("/admin/users", "addUser", "Add a person")
            .json::<NewUserBody>()
            .answers_in::<UserBody>(201, response("Added.").header("Location", path))
            .refuses(&[400, 401, 403, 409, 422, 429, 503]),
        get("/admin/users/{sub}", "user", "Show a person")
            .id("sub", SUB)
            .answers::<UserBody>(200, "Found.")
            .refuses(&[400, 401, 403, 404, 429, 503]),
        patch("/admin/users/{sub}", "changeUser", "Change a person")
            .says("What is left out stays as it is. Who is disabled is logged out.")
            .id("sub", SUB)
            .json::<UserChangeBody>()
            .answers::<UserBody>(200, "As it is now.")
            .refuses(&[400, 401, 403, 404, 409, 422, 429, 503]),
        delete("/admin/users/{sub}", "deleteUser", "Delete a person")
            .id("sub", SUB)
            .answers_nothing("Gone, and logged out everywhere.")
            .refuses(&[400, 401, 403, 404, 409, 429, 503]),
        post("/admin/users/{sub}/logout", "logUserOut", "End all sessions of a person")
            .id("sub", SUB)
            .optional_json::<account_otp::NoMembers>()
            .answers_nothing("They are over.")
            .refuses(&[400, 401, 403, 404, 429, 503]),
        post("/admin/users/{sub}/password", "setUserPassword", "Set a person's password")
            .id("sub", SUB)
            .json::<NewPasswordBody>()
            .answers_nothing("It is set, and all sessions are over.")
            .refuses(&[400, 401, 403, 404, 409, 422, 429, 503]),
        delete("/admin/users/{sub}/otp", "removeUserOtp", "Take a person's second factor away")
            .id("sub", SUB)
            .answers_nothing("There is none.")
            .refuses(&[400, 401, 403, 404, 409, 429, 503]),
    ]
}

fn clients() -> [Operation; 5] {
    use admin_clients::{ClientBody, ClientChangeBody, IssuedBody, NewClientBody};
    [
        get("/admin/clients", "listClients", "List clients, the oldest first")
            .answers_page::<ClientBody>("A page of them.")
            .refuses(&[400, 401, 403, 429, 503]),
        post("/admin/clients", "addClient", "Add a client")
            .json::<NewClientBody>()
            .answers::<IssuedBody>(201, "Added, with its secret, told this once.")
            .refuses(&[400, 401, 403, 409, 422, 429, 503]),
        patch("/admin/clients/{id}", "changeClient", "Change a client")
            .says("What is left out stays as it is.")
            .id("id", CLIENT_ID)
            .json::<ClientChangeBody>()
            .answers::<ClientBody>(200, "As it is now.")
            .refuses(&[400, 401, 403, 404, 409, 422, 429, 503]),
        delete("/admin/clients/{id}", "removeClient", "Remove a client")
            .id("id", CLIENT_ID)
            .answers_nothing("Gone, and its tokens are refused.")
            .refuses(&[400, 401, 403, 404, 409, 429, 503]),
        post("/admin/clients/{id}/secret", "rotateClientSecret", "Give a client a new secret")
            .says("The secret until now stays good until the next time.")
            .id("id", CLIENT_ID)
            .optional_json::<account_otp::NoMembers>()
            .answers::<IssuedBody>(200, "The new secret, told this once.")
            .refuses(&[400, 401, 403, 404, 409, 429, 503]),
    ]
}
