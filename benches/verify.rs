//! What verifying one token costs, as ratios of one run: a bare HMAC over the same bytes, our verifier, and `jsonwebtoken::decode`.
//!
//! `cargo bench --no-default-features --features testing --bench verify`. The contenders take turns in short rounds, so that a busy neighbour
//! disturbs all of them alike; printed are medians of the rounds, and the quietest tenth of them, which says what it would be undisturbed.
//! How much is allocated, `tests/token/allocations.rs` counts: a counting allocator here would burden the peer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints its result and may stop at a fault")]
#![allow(clippy::disallowed_methods, reason = "the peer of the comparison")]

use std::hint::black_box;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::token::claims::Login;
use hallpass::token::{Claims, KeyRing, Revocation, RevocationList, Signer, Verifier};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::Sha256;

const ISSUER: &str = "https://auth.example.com";
const ROUNDS: usize = 3000;
const CALLS: usize = 32;

/// The claims as a careful user of jsonwebtoken would type them.
#[derive(Deserialize)]
#[allow(dead_code, reason = "read for the cost of reading them")]
struct Typed {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: String,
    scope: String,
    sid: String,
    auth_time: i64,
    amr: Vec<String>,
    acr: String,
    roles: Vec<String>,
}

fn main() {
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().unwrap();
    let short = ["usr_019b2c4e6a", "019b2c4f01", "019b2c4e7d"];
    compare("all claims, short ids", short);
    let long = ["usr_019b2c4e-6a3f-7c11-9d42-5b8e0f7a1c63", "019b2c4f-01aa-7e0b-8c35-d2f6b9a4e071", "019b2c4e-7d10-7b54-a6a1-3f0d5c9e8b21"];
    compare("all claims, UUIDs as the service writes them", long);
    add();
}

/// What revoking one more costs, up to a list as long as it may be. The slowest ones are those that find no room and copy all that there is.
fn add() {
    let list = RevocationList::new();
    let adding = (0..RevocationList::CAPACITY).map(|number| {
        let id = format!("019b2c4e-6a3f-7c11-9d42-{:012x}", number << 13);
        let (entry, start) = (Revocation::Session { id, until: i64::MAX }, Instant::now());
        list.add([&entry], 1);
        start.elapsed().as_nanos() as f64 / 1000.0
    });
    let adding: Vec<f64> = adding.collect();
    let last = adding[RevocationList::CAPACITY - ROUNDS..].iter().copied();
    let [median, worst] = [0.5, 0.999].map(|share| quantile(last.clone(), share));
    let slowest = adding.iter().copied().fold(0.0, f64::max);
    println!(
        "adding one revocation to a list of {}: median {median:.1} µs, one in a thousand above {worst:.0} µs; the slowest on the way {slowest:.0} µs",
        list.len()
    );
}

fn compare(name: &str, ids: [&str; 3]) {
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    let key: Vec<u8> = (0..32_u8).map(|byte| byte.wrapping_mul(73).wrapping_add(11)).collect();
    let keys = KeyRing::from_secret(&format!("base64url:{}", URL_SAFE_NO_PAD.encode(&key))).unwrap();
    let token = token(&keys, ids, now);
    let verifier = verifier(keys, now);
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let signature: [u8; 32] = URL_SAFE_NO_PAD.decode(signature).unwrap().try_into().unwrap();
    let prepared = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let decoding_key = DecodingKey::from_secret(&key);
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["orders"]);

    let mac = || prepared.clone().chain_update(black_box(signing_input)).verify(black_box(&signature).into()).unwrap();
    let ours = || verifier.verify(black_box(token.as_str()), now).unwrap();
    let theirs = || jsonwebtoken::decode::<Typed>(black_box(token.as_str()), &decoding_key, &validation).unwrap();

    let mut rounds: Vec<[f64; 3]> = (0..ROUNDS).map(|_| [nanoseconds(mac), nanoseconds(ours), nanoseconds(theirs)]).collect();
    // The first rounds warm caches and the clock of the processor up.
    rounds.drain(..ROUNDS / 10);
    println!(
        "{name}: {} bytes, deny list of {} entries, {} rounds of {CALLS} calls",
        token.len(),
        verifier.revocations().len(),
        rounds.len()
    );
    println!("  {:<33} {:>8} {:>8}", "ns a call", "median", "quietest tenth");
    for (name, column) in [("a  one HMAC-SHA256, key prepared", 0), ("b  Verifier::verify", 1), ("c  jsonwebtoken::decode", 2)] {
        let [median, quiet] = [0.5, 0.1].map(|share| quantile(rounds.iter().map(|round| round[column]), share));
        println!("  {name:<33} {median:>8.0} {quiet:>8.0}");
    }
    for (name, above, below) in [("b / a (bar: at most 3.6)", 1, 0), ("c / b (bar: at least 2.6)", 2, 1)] {
        let median = quantile(rounds.iter().map(|round| round[above] / round[below]), 0.5);
        let [quiet_above, quiet_below] = [above, below].map(|column| quantile(rounds.iter().map(|round| round[column]), 0.1));
        println!("  {name:<33} {median:>8.2} {:>8.2}", quiet_above / quiet_below);
    }
}

fn token(keys: &KeyRing, [sub, jti, sid]: [&str; 3], now: i64) -> String {
    let roles = ["clerk".to_owned(), "refunds".to_owned()];
    let login = Login { sid, auth_time: now - 40, amr: &["pwd", "otp"], acr: "2", roles: &roles };
    let aud = ["orders".to_owned()];
    let claims = Claims {
        iss: ISSUER,
        sub,
        aud: &aud,
        exp: now + 3000,
        iat: now,
        jti,
        client_id: "hallpass",
        scope: "orders:read",
        login: Some(login),
    };
    Signer::new(keys).unwrap().sign(&claims).unwrap()
}

fn verifier(keys: KeyRing, now: i64) -> Verifier {
    let until = now + 3600;
    let entries = (0..1000).flat_map(|number| {
        let id = format!("019b2c4e-0000-7000-8000-{number:012x}");
        let subject = Revocation::Subject { id: format!("usr_{id}"), issued_before: now, until };
        [Revocation::Session { id: id.clone(), until }, subject, Revocation::Token { id, until }]
    });
    let verifier = Verifier::new(keys, ISSUER, &["orders"]).unwrap();
    verifier.revocations().add(&entries.collect::<Vec<_>>(), now);
    verifier
}

/// The mean of one round of calls.
fn nanoseconds<T>(call: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

/// The value below which this share of the values lies.
fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() as f64 * share) as usize]
}
