//! Which addresses a request may go to: public ones, and those that the operator lists.
//!
//! A name is looked up by whoever owns it, so what it means is checked after that, for every connection: a name that leads
//! to this machine, its network or a cloud's metadata service leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether `address` is one on the public internet, or in one of the networks that are listed.
pub(super) fn is_allowed(address: IpAddr, listed: &[IpNet]) -> bool {
    let address = embedded(address);

    listed.iter().any(|network| network.contains(&address)) || !is_special(address)
}

/// The IPv4 address that an IPv6 one stands for, however it is wrapped: by the system, by NAT64 (RFC 6052) or by 6to4
/// (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = six.segments();
    let four = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));

    match [first, second, third, fourth, fifth, sixth] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => four(seventh, eighth),
        [0, 0, 0, 0, 0, 0] if seventh != 0 => four(seventh, eighth),
        [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

/// Whether an address is set apart for something else than the public internet (RFC 6890 and its registries).
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => is_special_v4(four),
        IpAddr::V6(six) => is_special_v6(six),
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();

    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || matches!(first, 0 | 224..)
        || first == 100 && second & 0xc0 == 64 // Shared by carriers, RFC 6598.
        || first == 198 && second & 0xfe == 18 // Benchmarks, RFC 2544.
        || [first, second, third] == [192, 0, 0] // Protocol assignments.
        || [first, second, third] == [192, 88, 99] // 6to4 relays.
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();

    // Whatever is not handed out as global unicast (2000::/3) is something else.
    first & 0xe000 != 0x2000
        || first == 0x2001 && second < 0x200 // Protocol assignments, Teredo among them.
        || first == 0x2001 && second == 0xdb8 // Documentation.
        || first == 0x3fff && second < 0x1000 // Documentation.
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, listed: &[&str]) -> bool {
        let listed: Vec<_> = listed.iter().map(|network| network.parse().unwrap()).collect();

        is_allowed(address.parse().unwrap(), &listed)
    }

    #[test]
    fn addresses_that_are_not_the_internets_are_refused() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_not() {
        for address in
            ["1.1.1.1", "100.63.255.255", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_beside_it() {
        let listed = ["127.0.0.1/32", "fd00::/8"];

        assert!(allowed("127.0.0.1", &listed));
        assert!(allowed("::ffff:127.0.0.1", &listed));
        assert!(allowed("fd12::1", &listed));
        assert!(!allowed("127.0.0.2", &listed));
        assert!(!allowed("fe80::1", &listed));
    }
}
