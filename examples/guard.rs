//! A small service of its own, guarded by the tokens of a hallpass that runs elsewhere. It shares the key set with it, and nothing else.
#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example reads its own few settings and says what is wrong with them"
)]

use std::process::ExitCode;
use std::{env, fs};

use actix_web::{App, HttpServer, web};
use hallpass::guard::{AccessToken, Guard, MaybeAccessToken, Policy, Protect, Require};
use hallpass::token::{KeyRing, Verifier};

const USAGE: &str = "\
usage: guard KEYS_FILE ISSUER [AUDIENCE] [ADDRESS]

  KEYS_FILE  the JWK Set that hallpass signs with (its `keys.file`)        or $GUARD_KEYS_FILE
  ISSUER     the `token.issuer` of that hallpass                           or $GUARD_ISSUER
  AUDIENCE   the name in `aud` that means this service [hallpass]          or $GUARD_AUDIENCE
  ADDRESS    where to listen [127.0.0.1:9000]                              or $GUARD_ADDRESS

routes:  /              says who you are, if anybody
         /orders        needs the scope orders:read
         /admin/report  needs the role admin

Try it: curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:9000/orders";

/// The scope `orders:read`.
struct ReadOrders;

impl Policy for ReadOrders {
    const SCOPE: &'static str = "orders:read";
}

/// The role `admin`.
struct Admin;

impl Policy for Admin {
    const ROLE: Option<&'static str> = Some("admin");
}

/// Anybody may come; a bad token is refused all the same.
async fn hello(token: MaybeAccessToken) -> String {
    match token.into_inner() {
        Some(token) => format!("Hello, {}.\n", token.subject()),
        None => "Hello, stranger.\n".to_owned(),
    }
}

/// Runs only with a token that grants `orders:read`.
async fn orders(token: Require<ReadOrders>) -> String {
    format!("The orders of {}, who may do this until {}.\n", token.subject(), token.expires_at())
}

/// Behind `Protect<Admin>`, the token was verified before.
async fn report(token: AccessToken) -> String {
    format!("All is well, {}.\n", token.subject())
}

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
    let setting = |at: usize, variable: &str| env::args().nth(at).or_else(|| env::var(variable).ok());
    let keys_file = setting(1, "GUARD_KEYS_FILE").ok_or("KEYS_FILE is missing")?;
    let issuer = setting(2, "GUARD_ISSUER").ok_or("ISSUER is missing")?;
    let audience = setting(3, "GUARD_AUDIENCE").unwrap_or_else(|| "hallpass".to_owned());
    let address = setting(4, "GUARD_ADDRESS").unwrap_or_else(|| "127.0.0.1:9000".to_owned());

    let keys = fs::read_to_string(&keys_file).map_err(|error| format!("{keys_file}: {error}"))?;
    let guard = Guard::new(Verifier::new(KeyRing::from_jwk_set(&keys)?, &issuer, &[audience])?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(guard.clone())
            .route("/", web::get().to(hello))
            .route("/orders", web::get().to(orders))
            .service(web::scope("/admin").wrap(Protect::<Admin>::new()).route("/report", web::get().to(report)))
    });
    let server = server.bind(&address).map_err(|error| format!("{address}: {error}"))?;
    eprintln!("listening on http://{address}");
    Ok(server.run().await?)
}
