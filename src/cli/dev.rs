//! `hallpass serve --dev`: a service to try things with, that nobody else can reach and that nothing depends on.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::{Error, key_file, output};
use crate::authority::accounts::NewPerson;
use crate::authority::password_hash::MIN_COST;
use crate::authority::{self, Password};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::secret::Secret;
use crate::serve::Service;

const FOLDER: &str = "hallpass-dev";
const EMAIL: &str = "demo@example.com";
const SCOPE: &str = "orders:read";
const ROLE: &str = "demo";

/// The settings given, made into those of a service for development. Creates its folder and its key.
pub(super) fn settings(mut config: Config) -> Result<Config, Error> {
    if !config.server.listen.ip().is_loopback() {
        let text = "--dev is for this machine only: server.listen must be a loopback address, for instance 127.0.0.1:8080";
        return Err(Error::Configuration(text.to_owned()));
    }
    let folder = Path::new(FOLDER);
    let refused = |error: io::Error| Error::failed(format!("cannot make ./{FOLDER}/: {error}"));
    make_folder(folder).map_err(refused)?;
    let keys = folder.join("keys.json");
    if !fs::exists(&keys).map_err(refused)? {
        let key = key_file::new_key(None, Clock::System.now())?;
        write_private(&keys, &key_file::set_of(&key)).map_err(refused)?;
    }
    config.server.listen = with_port(config.server.listen).map_err(|error| Error::failed(format!("no free port: {error}")))?;
    config.server.ops_listen = None;
    config.server.demo = true;
    (config.server.tls_cert_file, config.server.tls_key_file) = (None, None);
    config.token.issuer = issuer(config.server.listen);
    config.keys = config::Keys { file: Some(keys), secret: None };
    config.database.url = Secret::from(format!("sqlite:{FOLDER}/hallpass.db"));
    config.password = config::Password { hash_threads: config.password.hash_threads, ..config::Password::default() };
    config.registration.enabled = true;
    config.check()?;
    // Below what the settings allow: here a login should cost nothing.
    config.password.bcrypt_cost = MIN_COST;
    Ok(config)
}

/// Makes the demo account, gives it a fresh password, and prints how to use it.
pub(super) async fn welcome(service: &Service) -> Result<(), Error> {
    service.authority.database().migrate().await?;
    let password = random_password()?;
    let (accounts, passwords) = (service.authority.accounts(), service.authority.new_passwords());
    let given = || Password::new(password.clone());
    match accounts.by_email(EMAIL).await {
        Ok(account) => {
            accounts.set_password(&account, given(), &passwords).await?;
            accounts.enable(&account).await?;
        }
        Err(authority::Error::NotFound) => {
            let demo = NewPerson { email: EMAIL.to_owned(), scopes: vec![SCOPE.to_owned()], roles: vec![ROLE.to_owned()], disabled: false };
            accounts.add(&demo, Some(given()), &passwords).await?;
        }
        Err(error) => return Err(error.into()),
    }
    output::whole(greeting(&issuer(service.address), &password).as_bytes())
}

/// The password is made of letters and digits, so it needs no quoting in JSON or in a shell.
fn greeting(url: &str, password: &str) -> String {
    format!(
        r#"hallpass for development on {url}: not for production. Its key and accounts are in ./{FOLDER}/

  e-mail    {EMAIL}
  password  {password}

See it work in a browser:

{url}/#email={EMAIL}&password={password}

Or log in with curl, and ask who you are:

TOKEN=$(curl -sS {url}/login -H 'Content-Type: application/json' -d '{{"email":"{EMAIL}","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sS {url}/me -H "Authorization: Bearer $TOKEN"

"#
    )
}

/// The address as browsers write it, which is what an issuer must be.
fn issuer(address: SocketAddr) -> String {
    match address.port() {
        80 => format!("http://{}", address.to_string().trim_end_matches(":80")),
        _ => format!("http://{address}"),
    }
}

/// Port 0 means any; the issuer has to be known before the service listens.
fn with_port(listen: SocketAddr) -> io::Result<SocketAddr> {
    if listen.port() == 0 { TcpListener::bind(listen)?.local_addr() } else { Ok(listen) }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    // Not followed: a link may lead to where others look.
    if !fs::symlink_metadata(folder)?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else of that name"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// 24 letters and digits, 120 bits.
fn random_password() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|_| Error::failed("the operating system gave no random numbers"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}
