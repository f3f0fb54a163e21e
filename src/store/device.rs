//! What a login was made with, as its owner will recognise it: an address and the name that the program gave itself.
//!
//! Both are shown and never compared. The name is a stranger's text, so it is cut and cleaned before it gets any further.

use std::net::IpAddr;

/// The longest name that is kept, in characters. Those of today's browsers have about half as many.
const LONGEST: usize = 256;

/// An address and a program's name, as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The address. None: not known.
    pub ip: Option<String>,
    /// The `User-Agent` (RFC 9110 s10.1.5). None: none was sent.
    pub user_agent: Option<String>,
}

impl Device {
    /// Takes what a request says of itself. An IPv4 address in IPv6 form becomes the plain one.
    pub fn new(ip: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let visible = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
        let user_agent: Option<String> = user_agent.map(|name| name.trim().chars().take(LONGEST).map(visible).collect());
        Self { ip: ip.map(|ip| ip.to_canonical().to_string()), user_agent: user_agent.filter(|name| !name.is_empty()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn o2_a_name_is_cut_at_256_characters_and_its_control_characters_are_replaced() {
        let named = |name: &str| Device::new(None, Some(name)).user_agent;
        assert_eq!(named("curl/8.5.0").unwrap(), "curl/8.5.0");
        assert_eq!(named("a\0b\r\n\u{1b}[31m\u{85}\tc").unwrap(), "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}c");
        assert_eq!(named(&"\u{e9}".repeat(300)).unwrap(), "\u{e9}".repeat(256));
        assert_eq!((named(""), named(" \t "), Device::new(None, None)), (None, None, Device::default()));
    }

    #[test]
    fn j11_an_ipv4_address_is_one_however_it_is_written() {
        for (ip, text) in [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1")] {
            assert_eq!(Device::new(Some(ip.parse().unwrap()), None).ip.unwrap(), text);
        }
    }
}
