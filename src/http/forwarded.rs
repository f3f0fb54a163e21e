//! Where a request comes from, when proxies stand in front: each adds to `X-Forwarded-For` the address that it was called from.
//!
//! Whatever stands in that header before it reaches the first proxy of ours, its sender made up. So it is read from the right, and only as far
//! as each address that passed the request on is one that we trust.

use std::net::{IpAddr, Ipv6Addr, SocketAddrV4};

use ipnet::IpNet;

/// No request of anybody passes through as many proxies. What stands further to the left is not looked at.
const LONGEST_CHAIN: usize = 32;

/// The address of whoever sent a request: the first that is not trusted, from the connection's other end leftwards through the lines of
/// `X-Forwarded-For` (in their order). An entry that is no address ends the walk at whoever passed it on.
pub fn client_address<'a>(peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let entries = forwarded_for.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).take(LONGEST_CHAIN);
    let mut address = peer.to_canonical();
    for entry in entries {
        if !is_trusted(&address) {
            break;
        }
        let Some(before) = read(entry) else { break };
        address = before;
    }
    address
}

/// One entry, as proxies write them: with or without a port, an IPv6 address with or without brackets and zone. None: it is no address.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let address = if let Some(bracketed) = entry.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
        IpAddr::V6(ipv6(address).filter(|_| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))?)
    } else if let Ok(address) = entry.parse() {
        IpAddr::V4(address)
    } else if let Ok(address) = entry.parse::<SocketAddrV4>() {
        IpAddr::V4(*address.ip())
    } else {
        IpAddr::V6(ipv6(entry)?)
    };
    Some(address.to_canonical())
}

/// The zone names an interface of whoever wrote it, so it says nothing here.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes()), &trusted).to_string()
    }

    const PROXIES: &[&str] = &["10.0.0.0/8", "2001:db8:ffff::/48"];

    #[test]
    fn j9_whoever_is_not_trusted_is_who_they_are_whatever_they_say() {
        for line in ["198.51.100.7", "10.0.0.1", "10.0.0.1, 10.0.0.2", "", "garbage"] {
            assert_eq!(address("192.0.2.1", &[line], PROXIES), "192.0.2.1", "{line}");
            assert_eq!(address("10.0.0.1", &[line], &[]), "10.0.0.1", "{line}");
        }
    }

    #[test]
    fn j10_behind_trusted_proxies_it_is_the_rightmost_address_that_is_none_of_them() {
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["203.0.113.66, 198.51.100.7"], "198.51.100.7"),
            (&["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
            (&["203.0.113.66, 198.51.100.7, 10.0.0.2, 10.0.0.3"], "198.51.100.7"),
            (&["203.0.113.66", "198.51.100.7,10.0.0.2", "10.0.0.3"], "198.51.100.7"),
            (&["203.0.113.66", "2001:db8::1"], "2001:db8::1"),
            (&["198.51.100.7, 2001:db8:ffff::9"], "198.51.100.7"),
            (&["10.0.0.4, 10.0.0.2"], "10.0.0.4"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(address("10.0.0.1", lines, PROXIES), expected, "{lines:?}");
        }
    }

    #[test]
    fn j11_ports_brackets_zones_and_mapped_addresses_are_read_and_an_ipv4_address_is_one_however_it_is_written() {
        for (entry, expected) in [
            ("198.51.100.7:443", "198.51.100.7"),
            (" \t198.51.100.7\t ", "198.51.100.7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("::ffff:c633:6407", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:443", "198.51.100.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:0", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25en0]:8080", "fe80::1"),
        ] {
            assert_eq!(address("10.0.0.1", &[entry], PROXIES), expected, "{entry}");
        }
        assert_eq!(address("::ffff:10.0.0.1", &["198.51.100.7, ::ffff:10.0.0.2"], PROXIES), "198.51.100.7");
        assert_eq!(address("::ffff:192.0.2.1", &["198.51.100.7"], PROXIES), "192.0.2.1");
    }

    #[test]
    fn j11_what_is_no_address_ends_the_walk_at_the_last_that_vouched_for_it() {
        for entry in [
            "",
            " ",
            "unknown",
            "_hidden",
            "\"198.51.100.7\"",
            "198.51.100",
            "198.51.100.07",
            "198.51.100.256",
            "198.51.100.7:",
            "198.51.100.7:x",
            "198.51.100.7:65536",
            "198.51.100.7%eth0",
            "198.51.100.7 198.51.100.8",
            "[198.51.100.7]",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[2001:db8::1]:+1",
            "2001:db8::1]",
            "%eth0",
            "2001:db8:::1",
            "for=198.51.100.7",
            "example.com",
            "198.51.100.7\0",
        ] {
            assert_eq!(address("10.0.0.1", &[entry], PROXIES), "10.0.0.1", "{entry:?}");
            assert_eq!(address("10.0.0.1", &["203.0.113.66, ", entry, "10.0.0.2"], PROXIES), "10.0.0.2", "{entry:?}");
        }
        let not_text: &[u8] = b"198.51.100.7\xff";
        assert_eq!(client_address([10, 0, 0, 1].into(), [not_text].into_iter(), &["10.0.0.0/8".parse().unwrap()]).to_string(), "10.0.0.1");
    }

    #[test]
    fn j11_a_chain_of_a_thousand_is_not_followed_to_its_end() {
        let chain = vec!["10.0.0.9"; 1000].join(",");
        assert_eq!(address("10.0.0.1", &[&format!("203.0.113.66,{chain}")], PROXIES), "10.0.0.9");
        assert_eq!(address("10.0.0.1", &[&"203.0.113.66,".repeat(1000), "198.51.100.7"], PROXIES), "198.51.100.7");
    }
}
