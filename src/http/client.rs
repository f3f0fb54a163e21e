//! Who is on the other end of a request, as far as its connection and headers say.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

use crate::authority::Device;

/// The address that the request came from: the connection's other end. Headers about forwarding are not believed.
pub fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip())
}

/// What a login or a refresh is made with.
pub fn device(request: &HttpRequest) -> Device {
    let user_agent = request.headers().get(USER_AGENT).map(|name| String::from_utf8_lossy(name.as_bytes()));
    Device::new(client_address(request), user_agent.as_deref())
}
