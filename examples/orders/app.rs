//! The service itself: its routes, what each of them asks of a token, and how it says no.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hallpass::guard::{AccessToken, Freshness, Guard, Policy, Protect, Refusal, Require};
use hallpass::token::Verifier;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Everybody's orders, by the subject of their tokens.
#[derive(Default)]
pub struct Orders(Mutex<HashMap<String, Vec<Order>>>);

#[derive(Clone, Deserialize, Serialize)]
pub struct Order {
    item: String,
}

impl Orders {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<Order>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scope `orders:read`.
pub struct Read;

impl Policy for Read {
    const SCOPE: &'static str = "orders:read";
}

/// The scope `orders:write`.
pub struct Write;

impl Policy for Write {
    const SCOPE: &'static str = "orders:write";
}

/// `orders:write` by somebody who logged in within the last five minutes; others are told to prove who they are again.
pub struct Cancel;

impl Policy for Cancel {
    const SCOPE: &'static str = "orders:write";
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
}

/// The role `support`.
pub struct Support;

impl Policy for Support {
    const ROLE: Option<&'static str> = Some("support");
}

/// A guard that follows hallpass, and refuses in this service's own words.
pub fn guard(verifier: Verifier, freshness: Freshness) -> Guard {
    Guard::new(verifier).with_freshness(freshness).render_with(refused)
}

/// Status, challenge and `Retry-After` are set by the guard.
fn refused(refusal: &Refusal, _: &HttpRequest) -> HttpResponse {
    HttpResponse::build(refusal.status()).json(json!({ "error": { "reason": refusal.code(), "text": refusal.title() } }))
}

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/orders", web::get().to(list))
        .route("/orders", web::post().to(add))
        .route("/orders/{number}", web::delete().to(cancel))
        .service(web::scope("/support").wrap(Protect::<Support>::new()).route("/orders", web::get().to(everybodys)))
        .route("/status", web::get().to(status));
}

async fn list(token: Require<Read>, orders: Data<Orders>) -> Json<Vec<Order>> {
    Json(orders.all().get(token.subject()).cloned().unwrap_or_default())
}

async fn add(token: Require<Write>, orders: Data<Orders>, order: Json<Order>) -> HttpResponse {
    orders.all().entry(token.subject().to_owned()).or_default().push(order.into_inner());
    HttpResponse::Created().finish()
}

async fn cancel(token: Require<Cancel>, orders: Data<Orders>, number: Path<usize>) -> HttpResponse {
    let mut all = orders.all();
    match all.get_mut(token.subject()).filter(|own| *number < own.len()) {
        Some(own) => {
            own.remove(*number);
            HttpResponse::NoContent().finish()
        }
        None => HttpResponse::NotFound().finish(),
    }
}

/// Behind `Protect<Support>`, the token was verified before.
async fn everybodys(_token: AccessToken, orders: Data<Orders>) -> Json<HashMap<String, Vec<Order>>> {
    Json(orders.all().clone())
}

/// For probes: how long ago it was known who has logged out.
async fn status(freshness: Data<Freshness>) -> Json<Value> {
    Json(json!({ "deny_list_age": freshness.age().map(|age| age.as_secs_f64()), "is_stale": freshness.is_stale() }))
}
