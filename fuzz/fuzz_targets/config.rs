//! Settings: a file, an empty line with `---`, and an environment of one `NAME=value` a line. What is taken is within its ranges, reads back as it is
//! printed, and a refusal never tells a secret.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use hallpass::config::Config;
use libfuzzer_sys::fuzz_target;

/// Nothing of it may ever be printed.
const CANARY: &str = "s3cret-canary-0123456789";

static FILE: LazyLock<PathBuf> = LazyLock::new(|| std::env::temp_dir().join(format!("settings-{}.toml", std::process::id())));

fuzz_target!(|text: &str| {
    let (toml, env) = text.split_once("\n---\n").unwrap_or((text, ""));
    // Files that a fuzzer names could be any.
    let env: Vec<(String, String)> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.ends_with("_FILE"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let config = match load(toml, env) {
        Ok(config) => config,
        Err(sentence) => {
            assert!(!sentence.contains(CANARY) && !sentence.contains('\n'), "{sentence:?}");
            return;
        }
    };
    check(&config);
    let printed = config.print();
    assert!(!printed.contains(CANARY) && !format!("{config:?}").contains(CANARY));
    let mut secrets = vec![("HALLPASS__DATABASE__URL".to_owned(), config.database.url.expose().to_owned())];
    secrets.extend(config.keys.secret.iter().map(|secret| ("HALLPASS__KEYS__SECRET".to_owned(), secret.expose().to_owned())));
    let again = load(&printed, secrets).expect("what is printed can be read");
    assert_eq!(again.print(), printed);
});

fn load(toml: &str, env: Vec<(String, String)>) -> Result<Config, String> {
    std::fs::write(&*FILE, toml).expect("a file in memory");
    Config::load(Some(&FILE), env.into_iter(), &[]).map_err(|error| error.to_string())
}

/// The ranges, as the manual has them.
fn check(config: &Config) {
    let (minute, seconds) = (Duration::from_secs(60), Duration::from_secs);
    assert!((minute..=60 * minute).contains(&config.token.access_ttl) && config.token.leeway <= minute);
    assert!((10..=14).contains(&config.password.bcrypt_cost) && (8..=64).contains(&config.password.min_length));
    assert!((1..=256).contains(&config.password.hash_threads) && (1..=10_000).contains(&config.password.queue));
    assert!((seconds(1)..=seconds(30)).contains(&config.password.queue_timeout));
    assert!((1..=1000).contains(&config.database.max_connections) && (1..=1024).contains(&config.server.workers));
    assert!(config.sessions.refresh_grace <= minute && config.sessions.idle_timeout >= seconds(1));
    assert!(config.limits.account_free_failures <= 1000);
    assert!(config.keys.file.is_some() != config.keys.secret.is_some(), "exactly one of the two");
    for address in [&config.token.issuer].into_iter().chain(&config.server.cors_origins) {
        let host = address.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
        let is_local = |host: &str| host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host.starts_with('[');
        assert!(address.starts_with("https://") || host.is_some_and(is_local), "{address}");
        let authority = address.splitn(4, '/').nth(2).unwrap_or_default();
        assert!(!address.ends_with('/') && !address.contains(['?', '#', ' ']) && !authority.contains('@'), "{address}");
    }
    assert!(!config.token.audience.is_empty() && config.token.audience.iter().all(|name| !name.is_empty()));
}
