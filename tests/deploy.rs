//! The set-ups that are shipped name settings that exist, with values that are accepted, and fit the image of the Dockerfile.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hallpass::config::Config;

const SET_UPS: [&str; 3] = ["compose.yaml", "deploy/kubernetes/deployment.yaml", "deploy/kubernetes/migrate.yaml"];
const ISSUER: &str = "https://auth.example.com";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The lines without comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split(" #").next().unwrap().trim()).filter(|line| !line.starts_with('#'))
}

/// `NAME: value` of Compose, and `- name: NAME` followed by `value: value` of Kubernetes.
fn environment(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut pending) = (BTreeMap::new(), None);
    for line in lines(text) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value = value.trim_matches('"').to_owned();
        match (name, pending.take()) {
            ("- name", _) if value.starts_with("HALLPASS_") => pending = Some(value),
            ("value", Some(name)) => drop(found.insert(name, value)),
            (name, _) if name.starts_with("HALLPASS_") => drop(found.insert(name.to_owned(), value)),
            _ => {}
        }
    }
    assert_eq!(found.len(), text.matches("HALLPASS__").count(), "every mention is a setting that was read");
    found
}

#[test]
fn every_setting_of_a_set_up_exists_and_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("url");
    fs::write(&secret, "postgres://hallpass:x@postgres/hallpass\n").unwrap();
    for path in SET_UPS {
        let settings = environment(&read(path));
        assert!(!settings.is_empty(), "{path}");
        // Files are there in the container only, and the issuer of Compose comes from outside.
        let settings = settings.into_iter().map(|(name, value)| match name.as_str() {
            "HALLPASS__DATABASE__URL_FILE" => (name, secret.display().to_string()),
            "HALLPASS__TOKEN__ISSUER" if value.starts_with("${") => (name, ISSUER.to_owned()),
            _ => (name, value),
        });
        let sections: &[_] =
            if path.ends_with("migrate.yaml") { &[hallpass::config::Section::Database] } else { &hallpass::config::Section::ALL };
        let config = Config::load_for(sections, None, settings, &[]).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(config.database.url.expose().starts_with("postgres://"), "{path}");
    }
}

#[test]
fn no_secret_stands_in_a_set_up() {
    for path in SET_UPS {
        for (name, value) in environment(&read(path)) {
            let is_secret = ["DATABASE__URL", "KEYS__SECRET"].iter().any(|secret| name.ends_with(secret));
            assert!(!is_secret && !value.contains("base64url:"), "{path}: {name}");
        }
    }
}

#[test]
fn each_file_that_a_setting_names_is_mounted_there() {
    let compose = read("compose.yaml");
    for (name, path) in environment(&compose).into_iter().filter(|(name, _)| name.ends_with("_FILE")) {
        let secret = path.strip_prefix("/run/secrets/").unwrap_or_else(|| panic!("{name}"));
        let is_secret = [format!("- {secret}"), format!("{secret}:")].iter().all(|wanted| lines(&compose).any(|line| line == *wanted));
        // Or in a folder: a file that is mounted by itself stays the old one when another takes its name.
        let (folder, _) = path.rsplit_once('/').unwrap();
        let is_in_folder = lines(&compose).any(|line| line.starts_with("- ./") && line.ends_with(&format!(":{folder}:ro")));
        assert!(is_in_folder || (is_secret && name != "HALLPASS__KEYS__FILE"), "{name}");
    }
    for path in &SET_UPS[1..] {
        let text = read(path);
        for (name, file) in environment(&text).into_iter().filter(|(name, _)| name.ends_with("_FILE") || name.ends_with("KEYS__FILE")) {
            let (folder, key) = file.rsplit_once('/').unwrap();
            assert!(lines(&text).any(|line| line == format!("mountPath: {folder}")), "{path}: {name}");
            // And the secret is made with that key.
            assert!(read("deploy/kubernetes/kustomization.yaml").contains(&format!("--from-file={key}")), "{path}: {name}");
        }
    }
}

#[test]
fn user_port_program_and_folder_are_those_of_the_image() {
    let image = read("Dockerfile");
    for (in_image, in_compose, in_kubernetes) in [
        ("USER 65532:65532", "user: \"65532:65532\"", "runAsUser: 65532"),
        ("EXPOSE 8080", "- \"127.0.0.1:8080:8080\"", "containerPort: 8080"),
        ("HALLPASS__SERVER__LISTEN=0.0.0.0:8080", "read_only: true", "readOnlyRootFilesystem: true"),
        (
            "[\"/usr/local/bin/hallpass\", \"healthcheck\"]",
            "test: [\"CMD\", \"/usr/local/bin/hallpass\", \"healthcheck\"]",
            "path: /readyz",
        ),
    ] {
        assert!(image.contains(in_image), "{in_image}");
        assert!(lines(&read("compose.yaml")).any(|line| line == in_compose), "{in_compose}");
        assert!(lines(&read("deploy/kubernetes/deployment.yaml")).any(|line| line == in_kubernetes), "{in_kubernetes}");
    }
    assert!(image.contains("VOLUME /var/lib/hallpass") && read("compose.yaml").contains("- /var/lib/hallpass:size="));
}

#[test]
fn no_set_up_runs_with_more_rights_than_it_needs() {
    for path in &SET_UPS[1..] {
        let text = read(path);
        for line in [
            "runAsNonRoot: true",
            "readOnlyRootFilesystem: true",
            "allowPrivilegeEscalation: false",
            "drop: [ALL]",
            "type: RuntimeDefault",
            "enableServiceLinks: false",
            "automountServiceAccountToken: false",
        ] {
            assert!(lines(&text).any(|found| found == line), "{path}: {line}");
        }
    }
    let compose = read("compose.yaml");
    for line in ["read_only: true", "cap_drop: [ALL]", "- no-new-privileges:true"] {
        assert_eq!(lines(&compose).filter(|found| *found == line).count(), 2, "{line}: both services");
    }
}
