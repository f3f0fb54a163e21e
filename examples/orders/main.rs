//! A service of its own that refuses whoever has logged out at hallpass, within two seconds and without asking for every request.
//!
//! It shares the key set with hallpass, and follows its deny list as a client with the scope `hallpass:revocations`.
#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example reads its own few settings and says what is wrong with them"
)]

mod app;

use std::process::ExitCode;
use std::{env, fs};

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use hallpass::follower::Follow;
use hallpass::guard::WhenStale;
use hallpass::token::{KeyRing, Verifier};

const USAGE: &str = "\
Settings, from the environment:
  ORDERS_KEYS_FILE      the JWK Set that hallpass signs with (its `keys.file`)
  ORDERS_ISSUER         the `token.issuer` of that hallpass
  ORDERS_HALLPASS       where hallpass is reached from here [the issuer]
  ORDERS_CLIENT_ID      of `hallpass client add orders --scope hallpass:revocations`
  ORDERS_SECRET_FILE    the client's secret
  ORDERS_AUDIENCE       the name in `aud` that means this service [hallpass]
  ORDERS_WHEN_STALE     serve, or refuse: while nobody knows who has logged out [serve]
  ORDERS_ADDRESS        where to listen [127.0.0.1:9000]

Try it: curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:9000/orders";

#[actix_web::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let needed = |name: &str| env::var(name).map_err(|_| format!("{name} is missing"));
    let file = |name: &str| needed(name).and_then(|path| fs::read_to_string(&path).map_err(|error| format!("{path}: {error}")));
    let or = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let issuer = needed("ORDERS_ISSUER")?;
    let keys = KeyRing::from_jwk_set(&file("ORDERS_KEYS_FILE")?)?;
    let verifier = Verifier::new(keys, &issuer, &[or("ORDERS_AUDIENCE", "hallpass")])?;
    let when_stale = match or("ORDERS_WHEN_STALE", "serve").as_str() {
        "serve" => WhenStale::Serve,
        "refuse" => WhenStale::Refuse,
        _ => return Err("ORDERS_WHEN_STALE is serve or refuse".into()),
    };

    let (client_id, secret) = (needed("ORDERS_CLIENT_ID")?, file("ORDERS_SECRET_FILE")?);
    let follow = Follow::new(&verifier, &or("ORDERS_HALLPASS", &issuer), &client_id, secret.trim_end()).when_stale(when_stale);
    let follower = follow.start()?;

    let address = or("ORDERS_ADDRESS", "127.0.0.1:9000");
    let (guard, freshness) = (app::guard(verifier, follower.freshness()), Data::new(follower.freshness()));
    let orders = Data::new(app::Orders::default());
    let server = HttpServer::new(move || {
        App::new().app_data(guard.clone()).app_data(freshness.clone()).app_data(orders.clone()).configure(app::routes)
    });
    let server = server.bind(&address).map_err(|error| format!("{address}: {error}"))?;
    eprintln!("listening on http://{address}");
    server.run().await?;
    // Until here it has to be kept: it stops when it is dropped.
    drop(follower);
    Ok(())
}
