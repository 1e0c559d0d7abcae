//! Whom a function may send requests to.

use std::fmt;
use std::str::FromStr;

/// A host and a port that a component may send HTTP requests to. Written `host:port`: `api.example.com:443`,
/// `127.0.0.1:8080`, `[::1]:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// In lower case; an IPv6 address in its brackets.
    host: String,
    port: u16,
}

impl Outbound {
    /// Whether a request to `host` and `port` is one to it. Names are compared as written: nothing is looked up.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }
}

impl FromStr for Outbound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("{text:?}, {why}: give a host and its port, as \"api.example.com:443\"");
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("which has no port"))?;
        let port = match port.parse::<u16>() {
            Ok(port) if port > 0 && port.to_string().len() == text.len() - host.len() - 1 => port,
            _ => return Err(wrong("whose port isn't one from 1 to 65535")),
        };
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        if !is_host {
            return Err(wrong("which names no host"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_its_port_are_one_whatever_their_case() {
        let api: Outbound = "API.example.com:443".parse().unwrap();
        assert_eq!(api.to_string(), "api.example.com:443");
        assert!(api.allows("Api.Example.com", 443));
        assert!(!api.allows("api.example.com", 80));
        assert!(!api.allows("evil.api.example.com", 443));
        assert!("[::1]:80".parse::<Outbound>().unwrap().allows("[::1]", 80));
    }

    #[test]
    fn what_is_no_host_with_a_port_is_refused_with_what_would_be_right() {
        for text in [
            "",
            ":",
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+80",
            "example.com:080",
            ":80",
            "https://example.com:443",
            "example.com/x:80",
            "*.example.com:443",
            "[::1:80",
            "::1:80",
            "[x]:80",
            "user@example.com:80",
        ] {
            let why = text.parse::<Outbound>().unwrap_err();
            assert!(why.contains("\"api.example.com:443\""), "{why}");
        }
    }
}
