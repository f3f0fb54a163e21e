use std::time::Duration;

use super::*;

const KEY: &str = "base64url:c2VjcmV0IGtleSBtYXRlcmlhbCBmb3IgdGVzdHMgb25seQ";

fn env(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

/// Loads with an issuer and a key, and what the test adds.
fn load(toml: &str, pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.toml");
    std::fs::write(&file, toml).unwrap();
    let mut all = Vec::new();
    if !toml.contains("issuer") && !pairs.iter().any(|(name, _)| name.contains("ISSUER")) {
        all.push(("HALLPASS__TOKEN__ISSUER", "https://auth.example.com"));
    }
    if !toml.contains("[keys]") && !pairs.iter().any(|(name, _)| name.contains("KEYS")) {
        all.push(("HALLPASS__KEYS__SECRET", KEY));
    }
    all.extend(pairs);
    Config::load(Some(&file), env(&all), &[])
}

fn refusal(toml: &str, pairs: &[(&str, &str)]) -> String {
    load(toml, pairs).expect_err("must be refused").to_string()
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(
        None,
        env(&[("PATH", "/bin"), ("HALLPASS_CONFIG", "x"), ("HALLPASS_SERVICE_HOST", "10.0.0.1"), ("HALLPASS__KEYS__SECRET", KEY)]),
        &[("token.issuer", "http://127.0.0.1:8080".to_owned())],
    )
    .unwrap();
    // H23: nothing but this machine reaches it until somebody says so.
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database.url.expose(), "sqlite:hallpass.db");
    assert_eq!(config.database.max_connections, 10);
    assert_eq!(config.token.audience, ["hallpass"]);
    assert_eq!((config.token.access_ttl, config.token.leeway), (Duration::from_secs(300), Duration::from_secs(5)));
    assert_eq!((config.password.bcrypt_cost, config.password.min_length, config.password.queue), (12, 15, 64));
    assert_eq!(config.password.queue_timeout, Duration::from_secs(2));
    let sessions = (config.sessions.idle_timeout, config.sessions.absolute_timeout, config.sessions.refresh_grace);
    assert_eq!(sessions, (Duration::from_secs(7 * 86_400), Duration::from_secs(30 * 86_400), Duration::from_secs(10)));
    assert_eq!((config.sessions.single_active, config.registration.enabled), (false, false));
    let rate = |count| Some(Rate { count, per: Duration::from_secs(60) });
    assert_eq!((config.limits.login_per_ip, config.limits.account_free_failures), (rate(10), 5));
    assert_eq!((config.limits.refresh_per_session, config.limits.client), (rate(120), rate(600)));
    assert_eq!(config.log.format, LogFormat::Auto);
    assert!(config.server.workers >= 1 && config.password.hash_threads >= 1);
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("any.name");
    let toml = "[server]\nlisten = \"127.0.0.1:1\"\n[token]\nissuer = \"https://a.example\"\nleeway = \"1s\"\naccess_ttl = \"2m\"\n[keys]\nfile = \"k\"\n";
    std::fs::write(&file, toml).unwrap();
    let pairs = env(&[("HALLPASS__SERVER__LISTEN", "127.0.0.1:2"), ("HALLPASS__TOKEN__LEEWAY", "2s")]);
    let config = Config::load(Some(&file), pairs, &[("server.listen", "127.0.0.1:3".to_owned())]).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.token.leeway, Duration::from_secs(2));
    assert_eq!(config.token.access_ttl, Duration::from_secs(120));
}

#[test]
fn the_environment_takes_lists_with_commas_numbers_and_durations_as_text() {
    let config = load(
        "",
        &[
            ("HALLPASS__TOKEN__AUDIENCE", "api, https://b.example"),
            ("HALLPASS__PASSWORD__BCRYPT_COST", "10"),
            ("HALLPASS__TOKEN__ACCESS_TTL", "1h"),
        ],
    )
    .unwrap();
    assert_eq!(config.token.audience, ["api", "https://b.example"]);
    assert_eq!(config.password.bcrypt_cost, 10);
    assert_eq!(config.token.access_ttl, Duration::from_secs(3600));
}

#[test]
fn default_toml_lists_every_setting_with_exactly_the_built_in_default() {
    let mut section = "";
    let mut listed = Vec::new();
    for line in DEFAULTS.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) =
            line.split_once(" = ").filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        {
            listed.push(format!("{section}.{key}"));
        }
    }
    assert_eq!(listed, names().collect::<Vec<_>>());
    assert_eq!(
        load(&DEFAULTS.replace("# issuer", "issuer"), &[("HALLPASS__KEYS__SECRET", KEY)]).unwrap().print(),
        load("", &[]).unwrap().print()
    );
    // What has a fixed default is not commented out: leaving a line out of the file changes nothing only if the values are the same.
    let fixed = DEFAULTS.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    assert_eq!(fixed, names().count() - 8, "ops_listen, workers, two of TLS, file, secret, issuer and hash_threads have no fixed default");
}

#[test]
fn production_toml_is_an_example_that_loads() {
    let text = include_str!("../../config/production.toml");
    let config = load(text, &[]).unwrap();
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(config.keys.file.is_some() && config.keys.secret.is_none());
}

#[test]
fn what_is_printed_loads_again_and_prints_the_same() {
    let toml = "[token]\nissuer = \"https://a.example\"\naudience = [\"x\\\"y\", \"z\"]\nleeway = \"0s\"\n[keys]\nfile = \"my \\\"keys\\\".json\"\n[database]\nurl = \"sqlite:a.db\"\n";
    let printed = load(toml, &[]).unwrap().print();
    let again = load(&printed.replace("[redacted]", "sqlite:a.db"), &[]).unwrap();
    assert_eq!(again.print(), printed);
    assert_eq!(printed.lines().filter(|line| line.contains(" = ") || line.contains(" is not set")).count(), names().count());
}

#[test]
fn k1_without_a_key_the_start_is_refused_and_the_sentence_says_how_to_make_one() {
    let error = Config::load(None, env(&[("HALLPASS__TOKEN__ISSUER", "https://auth.example.com")]), &[]).unwrap_err().to_string();
    assert!(error.contains("keys.file") && error.contains("hallpass key generate > keys.json"), "{error}");
}

#[test]
fn two_sources_of_keys_are_refused() {
    let error = refusal("[keys]\nfile = \"keys.json\"\nsecret = \"base64url:s3cret\"\n", &[]);
    assert!(error.contains("keys.secret are both set") && !error.contains("s3cret"), "{error}");
}

#[test]
fn k10_unknown_settings_are_refused_and_named_wherever_they_come_from() {
    for (toml, name) in [
        ("[server]\nlisen = \"127.0.0.1:1\"\n", "server.lisen"),
        ("[tokens]\n", "tokens"),
        ("[tokens]\nissuer = \"https://a.example\"\n", "tokens"),
        ("listen = \"127.0.0.1:1\"\n", "listen"),
        ("[server.listen]\naddress = \"x\"\n", "server.listen"),
        ("[server]\nworkers = { count = 2 }\n", "server.workers"),
        ("token = 1\n", "token"),
        ("[Token]\nleeway = \"1s\"\n", "Token"),
        ("[server]\nops_port = 9090\n", "server.ops_port"),
    ] {
        let error = refusal(toml, &[]);
        assert!(error.starts_with(name), "{toml}: {error}");
    }
    for variable in [
        "HALLPASS__SERVER__LISEN",
        "HALLPASS__SERVER",
        "HALLPASS__",
        "HALLPASS__SERVER__LISTEN__X",
        "HALLPASS__server__listen",
        "HALLPASS_SERVER__LISTEN",
        "HALLPASS__SERVER_LISTEN",
        "HALLPASS__SERVER__LISTEN_FILE",
        "HALLPASS__KEYS__FILE_FILE",
        "HALLPASS__LIMITS__LOGIN",
    ] {
        let error = refusal("", &[(variable, "127.0.0.1:1")]);
        assert!(error.starts_with(variable) && error.contains("is not a setting"), "{error}");
    }
    for forgotten in ["HALLPASS__DATABASE__URLpostgres://u:s3cret@db/x", "HALLPASS__KEYS__SECRETbase64url:s3cret"] {
        let error = refusal("", &[(forgotten, "disable")]);
        assert!(error.starts_with("HALLPASS__") && error.contains("is not a setting") && !error.contains("s3cret"), "{error}");
    }
    let error = refusal("[keys]\n\"secret: base64url:s3cret\" = 1\n", &[]);
    assert!(error.starts_with("keys.secret…") && !error.contains("s3cret"), "{error}");
    let error = Config::load(None, env(&[]), &[("server.port", "1".to_owned())]).unwrap_err().to_string();
    assert!(error.starts_with("server.port (set by a flag) is not a setting"), "{error}");
}

#[test]
fn k11_k13_values_out_of_range_are_refused_with_the_range() {
    for (section, line, range) in [
        ("token", "access_ttl = \"0s\"", "\"1m\" to \"1h\""),
        ("token", "access_ttl = \"59s\"", "\"1m\" to \"1h\""),
        ("token", "access_ttl = \"3601s\"", "\"1m\" to \"1h\""),
        ("token", "access_ttl = \"3650d\"", "\"1m\" to \"1h\""),
        ("token", "access_ttl = \"-1s\"", "unit"),
        ("token", "access_ttl = 300", "unit"),
        ("token", "leeway = \"61s\"", "\"0s\" to \"1m\""),
        ("sessions", "idle_timeout = \"0s\"", "\"1s\" to \"90d\""),
        ("sessions", "absolute_timeout = \"91d\"", "\"1s\" to \"90d\""),
        ("sessions", "refresh_grace = \"61s\"", "\"0s\" to \"1m\""),
        ("sessions", "single_active = 1", "true or false"),
        ("registration", "enabled = \"yes\"", "true or false"),
        ("password", "bcrypt_cost = 9", "10 to 14"),
        ("password", "bcrypt_cost = 15", "10 to 14"),
        ("password", "bcrypt_cost = 32", "10 to 14"),
        ("password", "bcrypt_cost = -12", "not negative"),
        ("password", "bcrypt_cost = 4294967308", "not negative"),
        ("password", "bcrypt_cost = 12.5", "whole number"),
        ("password", "bcrypt_cost = true", "whole number"),
        ("password", "min_length = 7", "8 to 64"),
        ("password", "min_length = 65", "8 to 64"),
        ("password", "hash_threads = 0", "1 to 256"),
        ("password", "queue = 0", "1 to 10000"),
        ("password", "queue_timeout = \"0s\"", "\"1s\" to \"30s\""),
        ("limits", "login_per_ip = \"0/min\"", "\"1/h\" to \"1000000/s\""),
        ("limits", "login_per_ip = \"1000001/s\"", "\"1/h\" to \"1000000/s\""),
        ("limits", "login_per_ip = \"10/day\"", "\"off\""),
        ("limits", "login_per_ip = 10", "\"off\""),
        ("limits", "refresh_per_session = \"0/s\"", "\"off\""),
        ("limits", "client = false", "\"off\""),
        ("limits", "account_free_failures = 1001", "0 to 1000"),
        ("limits", "account_free_failures = -1", "not negative"),
        ("server", "workers = 0", "1 to 1024"),
        ("server", "listen = \"localhost:8080\"", "IP address and a port"),
        ("server", "listen = \"127.0.0.1\"", "IP address and a port"),
        ("server", "listen = 8080", "text"),
        ("server", "ops_listen = \"9090\"", "IP address and a port"),
        ("server", "ops_listen = \"127.0.0.1:8080\"", "port of its own"),
        ("server", "ops_listen = \"[::]:8080\"", "port of its own"),
        ("database", "max_connections = 0", "1 to 1000"),
        ("database", "url = \"mysql://db/x\"", "sqlite:FILE"),
        ("database", "url = \"sqlite::memory:\"", "must name a file"),
        ("server", "cors_origins = [\"*\"]", "begin with https://"),
        ("server", "cors_origins = [\"null\"]", "begin with https://"),
        ("server", "cors_origins = [\"https://a.example\", \"https://b.example/\"]", "path"),
        ("server", "cors_origins = [\"http://b.example\"]", "loopback"),
        ("server", "cors_origins = 1", "list of texts"),
        ("server", "trusted_proxies = [\"0.0.0.0/0\"]", "/8 or smaller"),
        ("server", "trusted_proxies = [\"127.0.0.1\", \"::/0\"]", "/7 or smaller"),
        ("server", "trusted_proxies = [\"0.0.0.0/1\", \"128.0.0.0/1\"]", "/8 or smaller"),
        ("server", "trusted_proxies = [\"0.0.0.0\"]", "nobody"),
        ("server", "trusted_proxies = [\"::\"]", "nobody"),
        ("server", "trusted_proxies = [\"::ffff:0.0.0.0/96\"]", "as IPv4"),
        ("server", "trusted_proxies = [\"10.1.2.3/8\"]", "beyond its prefix"),
        ("server", "trusted_proxies = [\"10.0.0.0/33\"]", "addresses and networks"),
        ("server", "trusted_proxies = [\"proxy.example.com\"]", "addresses and networks"),
        ("server", "trusted_proxies = [\"*\"]", "addresses and networks"),
        ("server", "trusted_proxies = \"\"", "is empty"),
        ("server", "trusted_proxies = true", "list of texts"),
        ("cookies", "same_site = \"none\"", "\"strict\" or \"lax\""),
        ("cookies", "same_site = \"Lax\"", "\"strict\" or \"lax\""),
        ("log", "format = \"JSON\"", "\"auto\", \"text\" or \"json\""),
        ("log", "format = \"\"", "is empty"),
        ("token", "audience = []", "at least one"),
        ("token", "audience = [1]", "list of texts"),
    ] {
        let error = refusal(&format!("[{section}]\n{line}\n"), &[]);
        let setting = format!("{section}.{}", line.split(' ').next().unwrap_or_default());
        assert!(error.starts_with(&setting) && error.contains(range) && error.contains("hallpass.toml"), "{line}: {error}");
    }
    for line in ["idle_timeout = \"1s\"", "absolute_timeout = \"1s\"", "refresh_grace = \"0s\"", "refresh_grace = \"60s\""] {
        assert!(load(&format!("[sessions]\n{line}\n"), &[]).is_ok(), "{line}");
    }
    for line in ["access_ttl = \"60s\"", "access_ttl = \"1h\"", "leeway = \"0s\"", "leeway = \"1m\""] {
        assert!(load(&format!("[token]\n{line}\n"), &[]).is_ok(), "{line}");
    }
}

#[test]
fn an_idle_timeout_that_would_do_nothing_is_refused_and_the_default_one_gives_way() {
    let timeouts = |lines: &str| {
        let sessions = load(&format!("[sessions]\n{lines}\n"), &[]).map_err(|error| error.to_string())?.sessions;
        Ok::<_, String>((sessions.idle_timeout.as_secs(), sessions.absolute_timeout.as_secs()))
    };
    let error = timeouts("idle_timeout = \"2h\"\nabsolute_timeout = \"1h\"").unwrap_err();
    assert!(error.starts_with("sessions.idle_timeout") && error.contains("longer than sessions.absolute_timeout"), "{error}");
    assert!(timeouts("idle_timeout = \"31d\"").is_err());
    assert_eq!(timeouts("idle_timeout = \"1h\"\nabsolute_timeout = \"1h\""), Ok((3600, 3600)));
    assert_eq!(timeouts("absolute_timeout = \"1h\""), Ok((3600, 3600)));
    assert!(timeouts("absolute_timeout = \"0s\"").unwrap_err().starts_with("sessions.absolute_timeout"));
}

#[test]
fn e3_an_issuer_whose_cookies_would_vanish_does_not_start() {
    // No setting turns cookies on, so the issuer is refused whoever logs in how: over plain http a browser keeps `Secure` cookies of loopback only.
    for issuer in ["http://auth.example.com", "http://10.0.0.1:8080", "http://localhost.example.com"] {
        let error = refusal(&format!("[token]\nissuer = \"{issuer}\"\n"), &[]);
        assert!(error.starts_with("token.issuer") && error.contains("must begin with https://"), "{error}");
    }
    assert!(load("[token]\nissuer = \"http://127.0.0.1:8080\"\n", &[]).is_ok());
}

#[test]
fn origins_that_may_use_the_cookies_are_a_list() {
    let config = load("", &[("HALLPASS__SERVER__CORS_ORIGINS", "https://app.example.com, http://localhost:3000")]).unwrap();
    assert_eq!(config.server.cors_origins, ["https://app.example.com", "http://localhost:3000"]);
    assert_eq!(load("[cookies]\nsame_site = \"lax\"\n", &[]).unwrap().cookies.same_site, SameSite::Lax);
}

#[test]
fn a_list_that_is_empty_in_the_environment_is_refused_as_every_other_setting_is() {
    for name in ["SERVER__CORS_ORIGINS", "SERVER__TRUSTED_PROXIES", "TOKEN__AUDIENCE", "SERVER__LISTEN"] {
        for value in ["", " "] {
            let error = refusal("", &[(&format!("HALLPASS__{name}"), value)]);
            assert!(error.ends_with(&format!("(set by HALLPASS__{name}) is empty: give it a value or leave it out")), "{error}");
        }
    }
    assert_eq!(load("[server]\ncors_origins = []\n", &[]).unwrap().server.cors_origins, [""; 0]);
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let config = load("", &[("HALLPASS__SERVER__TRUSTED_PROXIES", "127.0.0.1, 10.20.0.0/16,::1,fd00::/8")]).unwrap();
    let proxies: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "10.20.0.0/16", "::1/128", "fd00::/8"]);
    assert_eq!(load("", &[]).unwrap().server.trusted_proxies, []);
}

#[test]
fn k12_a_missing_or_plain_http_issuer_is_refused() {
    let error = Config::load(None, env(&[("HALLPASS__KEYS__SECRET", KEY)]), &[]).unwrap_err().to_string();
    assert!(error.starts_with("token.issuer is not set"), "{error}");
    let error = refusal("", &[("HALLPASS__TOKEN__ISSUER", "http://auth.example.com")]);
    assert!(error.starts_with("token.issuer (set by HALLPASS__TOKEN__ISSUER) must begin with https://"), "{error}");
}

#[test]
fn k5_a_secret_comes_from_a_file_without_its_trailing_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let path = path.to_str().unwrap();
    let config = load("", &[("HALLPASS__KEYS__SECRET_FILE", path)]).unwrap();
    assert_eq!(config.keys.secret.unwrap().expose(), KEY);

    let error = refusal("", &[("HALLPASS__KEYS__SECRET_FILE", path), ("HALLPASS__KEYS__SECRET", KEY)]);
    assert!(error.contains("either HALLPASS__KEYS__SECRET or HALLPASS__KEYS__SECRET_FILE"), "{error}");
    let error = refusal("", &[("HALLPASS__KEYS__SECRET", KEY), ("HALLPASS__KEYS__SECRET_FILE", path)]);
    assert!(error.contains("not both"), "{error}");

    let error = refusal("", &[("HALLPASS__KEYS__SECRET_FILE", KEY)]);
    assert!(error.starts_with("HALLPASS__KEYS__SECRET_FILE") && !error.contains("base64url"), "{error}");
    std::fs::write(path, "\n").unwrap();
    assert!(refusal("", &[("HALLPASS__KEYS__SECRET_FILE", path)]).contains("is empty"));
}

#[test]
fn k15_no_error_debug_or_printed_text_holds_a_secret() {
    let url = "postgres://hallpass:s3cret@db/hallpass";
    let config = load("", &[("HALLPASS__DATABASE__URL", url), ("HALLPASS__KEYS__SECRET", "base64url:s3cret")]).unwrap();
    assert_eq!(config.database.url.expose(), url);
    for text in [config.print(), format!("{config:?}"), format!("{config:#?}")] {
        assert!(text.contains("[redacted]") && !text.contains("s3cret"), "{text}");
    }
    for toml in [
        "[keys]\nsecret = \"s3cret",
        "[keys]\nsecret = \"s3cret\" x\n",
        "[keys]\nsecret = s3cret\n",
        "[keys]\nsecret = \"s3cret\"\nsecret = \"s3cret\"\n",
        "[keys]\nsecret = [\"s3cret\"]\n",
        "[keys]\nsecret = { a = \"s3cret\" }\n",
        "keys = \"s3cret\"\n",
        "[database]\nurl = \"mysql://hallpass:s3cret@db\"\n",
        "[database]\nurl = [\"mysql://hallpass:s3cret@db\"]\n",
    ] {
        let error = load(toml, &[]).unwrap_err();
        assert!(!error.to_string().contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{toml}: {error:?}");
    }
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_one_clear_sentence() {
    let error = Config::load(Some(Path::new("no/such/hallpass.toml")), env(&[]), &[]).unwrap_err().to_string();
    assert!(error.starts_with("the configuration file no/such/hallpass.toml cannot be read: "), "{error}");
    let error = refusal("[server]\nlisten = \n", &[]);
    assert!(error.contains("is not valid TOML: look at line 2") && !error.contains('\n'), "{error}");
}

#[test]
fn work_that_needs_one_section_is_not_held_up_by_the_others_unless_they_cannot_be_read() {
    let load = |toml: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hallpass.toml");
        std::fs::write(&file, toml).unwrap();
        Config::load_for(&[Section::Server], Some(&file), env(&[]), &[]).map_err(|error| error.to_string())
    };
    assert_eq!(load("[server]\nlisten = \"127.0.0.1:1\"\n[password]\nbcrypt_cost = 99").unwrap().server.listen.port(), 1);
    assert!(load("[server]\nworkers = 0").unwrap_err().contains("server.workers"));
    assert!(load("[password]\nbcrypt_cots = 12").unwrap_err().contains("bcrypt_cots"));
    assert!(load("[password]\nbcrypt_cost = \"x\"").unwrap_err().contains("password.bcrypt_cost"));
}
