//! Who is on the other end of a request, as far as its connection and headers say.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, USER_AGENT};
use ipnet::IpNet;

use super::forwarded::client_address;
use crate::authority::Device;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed when they say where a request came from; none unless the application has some in its data. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<Proxies>);

#[derive(Debug, Default)]
struct Proxies {
    networks: Vec<IpNet>,
    has_warned: AtomicBool,
}

impl TrustedProxies {
    /// Those in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(Arc::new(Proxies { networks: networks.to_vec(), has_warned: AtomicBool::new(false) }))
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        self.0.networks.iter().any(|network| network.contains(&peer.to_canonical()))
    }

    /// Everybody behind a proxy that nobody told us of counts as one. Said once: a stranger can send the header too.
    fn warn_of_unknown(&self, peer: IpAddr) {
        if is_near(peer.to_canonical()) && !self.0.has_warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "X-Forwarded-For came from {peer}, which server.trusted_proxies does not name: if that is a proxy of yours, all who come \
                 through it share one login limit and one address in sessions and logs"
            );
        }
    }
}

/// Where proxies of one's own usually are.
fn is_near(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
    }
}

/// The address that the request came from: the connection's other end or, behind trusted proxies, what those say.
pub fn address_of(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let Some(proxies) = request.app_data::<TrustedProxies>() else { return Some(peer.to_canonical()) };
    let mut lines = request.headers().get_all(X_FORWARDED_FOR).map(|line| line.as_bytes());
    if lines.len() > 0 && !proxies.is_trusted(peer) {
        proxies.warn_of_unknown(peer);
    }
    Some(client_address(peer, lines.by_ref(), &proxies.0.networks))
}

/// What a login or a refresh is made with.
pub fn device(request: &HttpRequest) -> Device {
    let user_agent = request.headers().get(USER_AGENT).map(|name| String::from_utf8_lossy(name.as_bytes()));
    Device::new(address_of(request), user_agent.as_deref())
}
