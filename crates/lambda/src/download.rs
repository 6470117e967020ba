//! Download URLs of deployment packages: what `GetFunction` gives as `Code.Location`.
//!
//! AWS presigns an S3 URL; here the server serves the package itself, for ten minutes, to whoever holds the URL.

use hearth_base::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use std::time::Duration;

/// How long a URL is good for.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html>
const VALIDITY: Duration = Duration::from_secs(600);

/// Below which path packages are served.
pub const PATH: &str = "/_hearth/code/";

/// Signs and checks download URLs with a secret of the data directory.
#[derive(Clone)]
pub(crate) struct Downloads {
    secret: [u8; 32],
}

impl Downloads {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The URL of a package under the endpoint the client used.
    pub(crate) fn url(&self, endpoint: &str, blob: &str, now: Timestamp) -> String {
        let expires = now.after(VALIDITY).seconds();
        format!("{endpoint}{PATH}{blob}?expires={expires}&signature={}", self.signature(blob, expires))
    }

    /// The blob that path and query of a request ask for, when the URL is one of ours and still good.
    pub(crate) fn check<'a>(&self, path: &'a str, query: &str, now: Timestamp) -> Option<&'a str> {
        let blob = path.strip_prefix(PATH)?;
        let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let expires: i64 = field("expires")?.parse().ok()?;
        let signature = decode_hex(field("signature")?)?;
        self.mac(blob, expires).verify_slice(&signature).ok()?;
        (now.seconds() < expires).then_some(blob)
    }

    fn signature(&self, blob: &str, expires: i64) -> String {
        let bytes = self.mac(blob, expires).finalize().into_bytes();
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes all that is written to it");
            text
        })
    }

    fn mac(&self, blob: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(format!("code\n{blob}\n{expires}").as_bytes());
        mac
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_good_for_ten_minutes_and_for_its_package_alone() {
        let downloads = Downloads::new([7; 32]);
        let now = Timestamp::from_seconds(1_000);
        let url = downloads.url("http://localhost:4566", "ab12", now);
        let (path, query) = url.strip_prefix("http://localhost:4566").unwrap().split_once('?').unwrap();
        assert_eq!(downloads.check(path, query, now), Some("ab12"));
        assert_eq!(downloads.check(path, query, Timestamp::from_seconds(1_600)), None);
        assert_eq!(downloads.check("/_hearth/code/ab13", query, now), None);
        assert_eq!(downloads.check(path, &query.replace("expires=1600", "expires=9999"), now), None);
        assert_eq!(Downloads::new([8; 32]).check(path, query, now), None);
        assert_eq!(downloads.check(path, "", now), None);
    }
}
