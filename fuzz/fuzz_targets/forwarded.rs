//! Where a request comes from: the connection's other end in the first line, `X-Forwarded-For` in the others. Whoever is not trusted is never
//! believed, and a walk that looks at every address one by one ends at the same.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hallpass::http::client_address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|byte| *byte == b'\n');
    let peer = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
    let peer: IpAddr = peer.unwrap_or(Ipv4Addr::new(10, 0, 0, 1).into());
    let lines: Vec<&[u8]> = lines.collect();
    let trusted = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:ffff::/48"].map(|network| network.parse().expect("a network"));
    let found = client_address(peer, lines.iter().copied(), &trusted);

    let entries: Vec<&[u8]> = lines.iter().flat_map(|line| line.split(|byte| *byte == b',')).collect();
    let mut expected = plain(peer);
    for entry in entries.iter().rev().take(32) {
        match read(entry) {
            Some(before) if is_ours(expected) => expected = before,
            _ => break,
        }
    }
    assert_eq!(found, expected);
    assert!(is_ours(plain(peer)) || found == plain(peer), "a stranger was believed");
    assert_eq!(client_address(peer, lines.iter().copied(), &[]), plain(peer));
});

/// An IPv4 address is one however it is written.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] => {
                let [[a, b], [c, d]] = [high, low].map(u16::to_be_bytes);
                Ipv4Addr::new(a, b, c, d).into()
            }
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10 || v4 == Ipv4Addr::LOCALHOST,
        IpAddr::V6(v6) => v6.segments()[..3] == [0x2001, 0xdb8, 0xffff],
    }
}

/// `1.2.3.4`, `1.2.3.4:5`, `1:2::3`, `[1:2::3]` or `[1:2::3]:4`, an IPv6 address with a zone or without.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t', '\r', '\x0c']);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let v6 = |text: &str| text.split('%').next().and_then(|address| address.parse::<Ipv6Addr>().ok()).map(IpAddr::from);
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_at(rest.find(']')?);
        let port = &port[1..];
        return v6(address).filter(|_| port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).map(plain);
    }
    let (address, port) = text.split_once(':').unwrap_or((text, "0"));
    match address.parse::<Ipv4Addr>() {
        Ok(address) => is_port(port).then_some(address.into()),
        Err(_) => v6(text).map(plain),
    }
}
