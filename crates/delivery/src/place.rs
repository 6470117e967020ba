//! Where a URL leads, and whether users may send this server there.
//!
//! Whoever may subscribe has the server send requests from where it stands. What answers on a link-local address, as the
//! metadata of cloud machines do, gives away credentials to whoever can ask: nobody is ever sent there. An operator whose
//! users are not of the machine's own network shuts them out of the rest of it too ([`Reach::Public`]).

use hearth_api::delivery::PostRefusal;
use http::Uri;
use percent_encoding::percent_decode_str;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All but link-local ones.
    Any,
    /// Those of the public Internet: none of this machine, and none of private networks.
    Public,
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tls: bool,
    /// The name or the address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as the URL has them.
    pub(crate) authority: String,
    pub(crate) path: String,
    /// A name and a password, when the URL has them.
    pub(crate) credentials: Option<(String, String)>,
}

impl Place {
    /// Reads a URL of http or https.
    pub(crate) fn of(url: &str) -> Result<Self, PostRefusal> {
        let uri: Uri = url.parse().map_err(|_| PostRefusal::Malformed)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(PostRefusal::Malformed),
        };
        let whole = uri.authority().ok_or(PostRefusal::Malformed)?;
        let (user, authority) = match whole.as_str().rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, whole.as_str()),
        };
        let host = whole.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(PostRefusal::Malformed);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: whole.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_owned(),
            path,
            credentials: user.map(credentials),
        })
    }

    /// The address that stands in the URL itself.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

fn credentials(text: &str) -> (String, String) {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    (decoded(name), decoded(password))
}

impl Reach {
    /// Whether an address may be posted to.
    pub(crate) fn admits(self, address: IpAddr) -> bool {
        let address = plain(address);
        let never = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast(),
            // fd00:ec2::254 is where EC2 serves its metadata.
            IpAddr::V6(v6) => {
                v6.is_unicast_link_local() || v6.is_unspecified() || v6.segments()[..2] == [0xfd00, 0x0ec2]
            }
        };
        !never && !address.is_multicast() && (self == Self::Any || is_public(address))
    }
}

/// The IPv4 address inside an IPv6 one that stands for it, mapped or by way of NAT64.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        address => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            let benchmark = first == 198 && second & 0xfe == 18;
            let reserved = first == 0 || first >= 240 || shared || benchmark;
            !(reserved || v4.is_loopback() || v4.is_private() || v4.is_documentation())
        }
        IpAddr::V6(v6) => {
            // Global unicast is 2000::/3; of it, 2002::/16 wraps IPv4 addresses and 2001:db8::/32 is for books.
            let [first, second, ..] = v6.segments();
            first & 0xe000 == 0x2000
                && first != 0x2002
                && (first, second) != (0x2001, 0x0db8)
                && v6 != Ipv6Addr::LOCALHOST
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_others_refused() {
        let place = Place::of("https://us%40er:p%3Aw@example.org:8443/a/b?c=d").unwrap();
        assert_eq!((place.tls, &*place.host, place.port), (true, "example.org", 8443));
        assert_eq!((&*place.authority, &*place.path), ("example.org:8443", "/a/b?c=d"));
        assert_eq!(place.credentials, Some(("us@er".to_owned(), "p:w".to_owned())));
        let place = Place::of("http://[::1]").unwrap();
        assert_eq!((place.literal().is_some(), place.port, &*place.path), (true, 80, "/"));
        for wrong in ["", "example.org", "ftp://example.org/", "http://", "http:///path", "http://a b/"] {
            assert_eq!(Place::of(wrong), Err(PostRefusal::Malformed), "{wrong}");
        }
    }

    #[test]
    fn link_local_is_never_reached_and_private_only_when_it_may_be() {
        for (address, any, public) in [
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("fd00:ec2::254", false, false),
            ("fe80::1", false, false),
            ("0.0.0.0", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("127.0.0.1", true, false),
            ("::1", true, false),
            ("10.1.2.3", true, false),
            ("192.168.0.1", true, false),
            ("100.64.0.1", true, false),
            ("fd12::1", true, false),
            ("2001:db8::1", true, false),
            ("8.8.8.8", true, true),
            ("2606:4700::1111", true, true),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(
                (Reach::Any.admits(address), Reach::Public.admits(address)),
                (any, public),
                "{address}"
            );
        }
    }
}
