//! How a client says who it is (RFC 6749 s2.3.1): HTTP Basic or two parameters of the form, never both.
//!
//! It reads what was presented; whether it is right, the use case says.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Error, FormBody, address_of};
use crate::authority;
use crate::authority::client_credentials::ClientCredentials;
use crate::authority::grant::FIRST_PARTY_CLIENT;
use crate::secret::Secret;

/// What a request says of the client that it is from.
#[derive(Debug)]
pub struct PresentedClient {
    /// Its id and secret.
    credentials: Option<ClientCredentials>,
    /// Whether they came by HTTP Basic.
    by_basic: bool,
    /// Whether it is the public client, which has no secret.
    is_first_party: bool,
}

impl PresentedClient {
    /// Reads the header and the form.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for two ways at once or two headers; [`Error::InvalidBasicClient`] for a header that cannot be read.
    pub fn of(request: &HttpRequest, form: &FormBody) -> Result<Self, Error> {
        let headers = request.headers();
        let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
        let header = authorization(headers)?;
        if header.is_some() && secret.is_some() {
            return Err(Error::InvalidRequest);
        }
        match (header.map(basic), id, secret) {
            (Some(Some(credentials)), id, _) => {
                let credentials = ClientCredentials { from: address_of(request), ..credentials? };
                // Naming oneself in the form too is no second way to prove it; naming somebody else is a contradiction.
                if id.is_some_and(|id| id.expose() != credentials.id) {
                    return Err(Error::InvalidRequest);
                }
                Ok(Self { credentials: Some(credentials), by_basic: true, is_first_party: false })
            }
            (None, Some(id), Some(secret)) => {
                let credentials = ClientCredentials { id: id.expose().to_owned(), secret: secret.clone(), from: address_of(request) };
                Ok(Self { credentials: Some(credentials), by_basic: false, is_first_party: false })
            }
            (None, Some(id), None) => Ok(Self { is_first_party: id.expose() == FIRST_PARTY_CLIENT, ..Self::NOTHING }),
            // Another scheme, a secret of nobody, or nothing at all.
            (Some(None), ..) | (None, None, _) => Ok(Self::NOTHING),
        }
    }

    const NOTHING: Self = Self { credentials: None, by_basic: false, is_first_party: false };

    /// Whether it is the public client.
    pub fn is_first_party(&self) -> bool {
        self.is_first_party
    }

    /// Id and secret.
    ///
    /// # Errors
    /// [`authority::Error::InvalidClient`] when there are none.
    pub fn credentials(&self) -> Result<&ClientCredentials, authority::Error> {
        self.credentials.as_ref().ok_or(authority::Error::InvalidClient)
    }

    /// What a refusal of this client looks like: one that tried HTTP Basic is told so.
    pub fn refusal(&self, error: authority::Error) -> Error {
        match error {
            authority::Error::InvalidClient if self.by_basic => Error::InvalidBasicClient,
            error => error.into(),
        }
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<&[u8]>, Error> {
    let mut values = headers.get_all(AUTHORIZATION);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Error::InvalidRequest),
        (value, None) => Ok(value.map(|value| value.as_bytes())),
    }
}

/// `Basic base64(id ":" secret)` (RFC 7617 s2). None: another scheme.
fn basic(header: &[u8]) -> Option<Result<ClientCredentials, Error>> {
    let (scheme, encoded) = match header.iter().position(|byte| *byte == b' ') {
        Some(space) => header.split_at(space),
        None => (header, &b""[..]),
    };
    scheme.eq_ignore_ascii_case(b"basic").then(|| basic_credentials(encoded.trim_ascii()).ok_or(Error::InvalidBasicClient))
}

fn basic_credentials(encoded: &[u8]) -> Option<ClientCredentials> {
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(ClientCredentials { id: form_decoded(id)?, secret: Secret::from(form_decoded(secret)?), from: None })
}

/// RFC 6749 s2.3.1 wants both form-encoded, and half of all clients send them raw. Ids and secrets of ours consist of characters that no
/// encoding has to change, so decoding what was never encoded changes nothing, and the two forms cannot be confused.
fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['=', '&']) {
        return None;
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Option<(String, String)>> {
        basic(header.as_bytes()).map(|read| read.ok().map(|credentials| (credentials.id, credentials.secret.expose().to_owned())))
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn f2_an_id_and_a_secret_are_read_raw_and_form_encoded() {
        let expected = Some(Some(("cli_0-1".to_owned(), "hp_cs_a-b_c".to_owned())));
        for text in ["cli_0-1:hp_cs_a-b_c", "cli%5F0%2D1:hp%5Fcs%5fa%2Db%5Fc"] {
            assert_eq!(read(&encoded(text)), expected, "{text}");
        }
        assert_eq!(read(&encoded("a%3Ab:c%25%2B+d:%C3%A4")), Some(Some(("a:b".to_owned(), "c%+ d:\u{e4}".to_owned()))));
        for scheme in ["basic", "BASIC", "Basic  "] {
            assert_eq!(read(&encoded("cli_0-1:hp_cs_a-b_c").replace("Basic", scheme)), expected);
        }
    }

    #[test]
    fn f3_what_is_no_basic_credential_is_malformed_and_other_schemes_are_none() {
        for header in
            ["Basic", "Basic ", "Basic !", "Basic YQ", "Basic YTpi YTpi", &encoded("no colon"), &encoded("a&b:c"), &encoded("a:b=c")]
        {
            assert_eq!(read(header), Some(None), "{header}");
        }
        assert_eq!(read(&format!("Basic {}", STANDARD.encode([0xff, b':', 0xff]))), Some(None));
        for header in ["", "Bearer x", "Basicx YTpi", "Digest a"] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
