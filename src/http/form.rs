//! Forms as the OAuth endpoints take them (RFC 6749 appendix B): UTF-8, at most 16 KiB, arriving within 10 s.
//!
//! No parameter may come twice, one without a value counts as left out, and those that nobody asks for are ignored (RFC 6749 s3.2).

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use actix_web::{FromRequest, HttpRequest};

use super::Error;
use super::body::{announced, is_utf8_of, read_in_time};
use crate::secret::Secret;

/// The parameters of a form, of which any may be a secret.
#[derive(Debug)]
pub struct FormBody(Vec<(String, Secret)>);

impl FormBody {
    /// The one value of a parameter, if it has one.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] when the parameter comes twice.
    pub fn one(&self, name: &str) -> Result<Option<&Secret>, Error> {
        let mut values = self.0.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Error::InvalidRequest),
            (value, None) => Ok(value.filter(|value| !value.expose().is_empty())),
        }
    }

    /// The same for a parameter that must be there.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] when it is not, or comes twice.
    pub fn required(&self, name: &str) -> Result<&Secret, Error> {
        self.one(name)?.ok_or(Error::InvalidRequest)
    }

    pub(crate) fn parse(body: &[u8]) -> Self {
        let parameters = form_urlencoded::parse(body);
        Self(parameters.map(|(name, value)| (name.into_owned(), Secret::from(value.into_owned()))).collect())
    }
}

impl FromRequest for FormBody {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let announced = check(request.headers());
        let payload = payload.take();
        Box::pin(async move { Ok(Self::parse(&read_in_time(payload, announced?).await?)) })
    }
}

fn check(headers: &HeaderMap) -> Result<usize, Error> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_utf8_of(media_type, "application/x-www-form-urlencoded") || headers.contains_key(CONTENT_ENCODING) {
        return Err(Error::NotAForm);
    }
    announced(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f7_a_parameter_comes_once_and_an_empty_one_is_left_out() {
        let form = FormBody::parse(b"a=1&b=&c=2&c=2&d&e=x%20y+z%C3%A4&f=&f=1");
        let one = |name: &str| form.one(name).map(|value| value.map(|value| value.expose().to_owned())).ok();
        assert_eq!((one("a"), one("e")), (Some(Some("1".to_owned())), Some(Some("x y z\u{e4}".to_owned()))));
        assert_eq!((one("b"), one("d"), one("x")), (Some(None), Some(None), Some(None)));
        assert_eq!((one("c"), one("f")), (None, None));
        assert!(form.required("a").is_ok() && form.required("b").is_err() && form.required("x").is_err());
        assert!(!format!("{form:?}").contains("x y"));
    }
}
