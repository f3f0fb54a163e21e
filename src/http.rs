//! What every answer of the service has in common: bodies in, problems out, headers, cookies, access lines. Knows no endpoint.

pub mod access_log;
pub mod body;
pub mod client;
pub mod client_auth;
pub mod connection;
pub mod cookie;
pub mod cors;
pub mod envelope;
pub mod error;
pub mod form;
pub mod forwarded;
mod refused_use_case;
pub mod request_id;
mod session_status;
pub mod traffic;

pub use body::{JsonBody, OptionalJsonBody};
pub use client::{TrustedProxies, address_of, device};
pub use client_auth::PresentedClient;
pub use cookie::{Cookies, Transport};
pub use cors::Cors;
pub use envelope::envelope;
pub use error::Error;
pub use form::FormBody;
pub use forwarded::client_address;
pub use request_id::RequestId;
pub use traffic::Traffic;
