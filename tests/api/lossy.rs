//! A phone in a tunnel: requests that break off, answers that never arrive, retries, and a clock that goes on meanwhile. L7 and L9 of the
//! threats, and the reason for the grace.
//!
//! The dice are seeded, and the seed is printed: `HALLPASS_TEST_SEED=… cargo test --test api lossy` throws them again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::store::session;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, on_each_store, text};

const REFRESHES: usize = 1000;
/// The default of `sessions.refresh_grace`, in seconds.
const GRACE: u64 = 10;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    /// Of the environment's seed, or of one that nobody has thrown before.
    fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: repeats a failure of this test")]
        let given = std::env::var("HALLPASS_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        eprintln!("HALLPASS_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What becomes of one attempt.
enum Fate {
    Arrives,
    /// The answer is on its way when the line breaks.
    AnswerIsLost,
    /// The line breaks as soon as the request is out: the service may give the work up at any point.
    HangsUp,
    /// The line breaks in the middle of the request.
    BreaksOff,
}

/// How often a token was rotated: it stands in the token, behind the session's id.
fn generation(token: &str) -> u32 {
    let bytes = URL_SAFE_NO_PAD.decode(&token[6..]).unwrap();
    u32::from_be_bytes(bytes[16..20].try_into().unwrap())
}

/// Sends all of a refresh or a part of it, says that nothing more will come, and waits until the service is done with the line.
async fn send_and_hang_up(app: &TestApp, token: &str, share: u64) {
    let body = format!(r#"{{"refresh_token":"{token}"}}"#);
    let head = format!("POST /refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = format!("{head}{body}");
    let length = request.len() * share as usize / 100;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(&request.as_bytes()[..length]).await.unwrap();
    // What the service answers, or that it does not, is nothing to this client.
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// One refresh, as often as it takes. All attempts lie within the grace of the first one that could have been the one.
async fn refresh(app: &TestApp, token: &str, dice: &mut Dice, attempts: &mut usize) -> Value {
    let mut patience = GRACE;
    loop {
        *attempts += 1;
        let fate = match dice.below(10) {
            _ if patience == 0 => Fate::Arrives,
            0..4 => Fate::Arrives,
            4..6 => Fate::AnswerIsLost,
            6..8 => Fate::HangsUp,
            _ => Fate::BreaksOff,
        };
        match fate {
            Fate::Arrives => {
                let response = app.refresh(token).await;
                assert_eq!(response.status(), 200, "logged out");
                return response.json().await.unwrap();
            }
            Fate::AnswerIsLost => assert_eq!(app.refresh(token).await.status(), 200, "logged out"),
            Fate::HangsUp => send_and_hang_up(app, token, 100).await,
            Fate::BreaksOff => send_and_hang_up(app, token, dice.below(100)).await,
        }
        let pause = dice.below(4).min(patience);
        patience -= pause;
        app.clock.advance(pause.try_into().unwrap());
    }
}

on_each_store! {
    async fn l7_l9_a_thousand_refreshes_over_a_line_that_loses_half_of_them_log_nobody_out(app: TestApp) {
        let (mut dice, mut attempts) = (Dice::new(), 0);
        let login = app.session().await;
        let (id, mut token, mut used) = (text(&login, "session_id"), text(&login, "refresh_token"), None);
        for _ in 0..REFRESHES {
            let answer = refresh(&app, &token, &mut dice, &mut attempts).await;
            let next = text(&answer, "refresh_token");
            assert_eq!(generation(&next), generation(&token) + 1, "one successor, however often it was asked for");
            let row = session::by_id(app.authority.database(), &id).await.unwrap().unwrap();
            assert_eq!((row.generation, row.ended_at), (generation(&next), None), "and it is the one that is live");
            used = Some(std::mem::replace(&mut token, next));
            app.clock.advance(if dice.below(20) == 0 { 3600 } else { dice.below(300) }.try_into().unwrap());
            // The session ends by itself after 30 days; the phone has not been on for that long.
            assert!(app.clock.now() - row.created_at < 30 * 86_400);
        }
        eprintln!("{REFRESHES} refreshes took {attempts} attempts");
        let rows = session::by_account(app.authority.database(), &account(&app, &id).await).await.unwrap();
        assert_eq!(rows.len(), 1);
        // The other half of the promise: what was used is worth nothing.
        app.clock.advance(GRACE as i64 + 1);
        assert_eq!(app.refresh(&used.unwrap()).await.status(), 401);
        assert_eq!(app.refresh(&token).await.status(), 401);
    }
}

async fn account(app: &TestApp, session_id: &str) -> String {
    session::by_id(app.authority.database(), session_id).await.unwrap().unwrap().account_id
}
