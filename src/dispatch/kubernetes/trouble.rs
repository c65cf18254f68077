//! What goes wrong between here and a cluster, as `kubectl` says it.

use std::fmt;
use std::io;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is such a thing already.
    Exists,
    /// The answer is no: asked again, it would be the same.
    Refused(String),
    /// The server was not reached: nothing was done, and later it may be.
    Away(String),
    /// What was asked for may have been done or not.
    Unclear(String),
}

/// The server was not reached.
const AWAY: &[&str] = &[
    "dial tcp",
    "did you specify the right host or port",
    "network is unreachable",
    "no such host",
];

/// The server, or what is between here and there, has not answered as it should.
const UNCLEAR: &[&str] = &[
    "(InternalError)",
    "(ServerTimeout)",
    "(ServiceUnavailable)",
    "(Timeout)",
    "(TooManyRequests)",
    "Bad Gateway",
    "Client.Timeout",
    "EOF",
    "GOAWAY",
    "Gateway Timeout",
    "Internal error occurred",
    "Service Unavailable",
    "TLS handshake timeout",
    "an error on the server",
    "broken pipe",
    "closed network connection",
    "connection reset",
    "context deadline exceeded",
    "currently unable to handle",
    "etcdserver",
    "http2: ",
    "malformed HTTP",
    "stream error",
    "the server has asked for the client to provide credentials",
    "timed out",
    "too many requests",
    "unexpected error when reading response body",
];

const NO_PROGRAM: &str = "there is no kubectl on the PATH";

/// What `kubectl` means by its words.
pub fn of(said: &str) -> Trouble {
    let words = last_words(said);
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    match () {
        () if said.contains("(AlreadyExists)") => Trouble::Exists,
        () if has(AWAY) => Trouble::Away(words),
        () if has(UNCLEAR) => Trouble::Unclear(words),
        () => Trouble::Refused(words),
    }
}

/// Its last line without what is always there; the ones before it tell how it tried.
fn last_words(said: &str) -> String {
    let mut lines = said.lines().rev().map(str::trim);
    let line = lines
        .find(|line| !line.is_empty())
        .unwrap_or("it says nothing");
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let mut text = line.to_owned();
    if let Some((end, _)) = text.char_indices().nth(500) {
        text.truncate(end);
    }
    format!("kubectl: {text}")
}

impl Trouble {
    /// `kubectl` could not be run.
    pub fn not_run(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Refused(NO_PROGRAM.to_owned()),
            _ => Self::Away(format!("kubectl can't be run: {error}")),
        }
    }

    /// Whether what is asked of a pod's node comes to the same later: what it says itself passes, mostly.
    pub fn lasts(&self) -> bool {
        let parts = ["(NotFound)", "(Forbidden)", NO_PROGRAM];
        matches!(self, Self::Refused(why) if parts.iter().any(|part| why.contains(part)))
    }

    /// The answer is none.
    pub fn garbled(error: &serde_json::Error) -> Self {
        Self::Unclear(format!("kubectl's answer can't be read: {error}"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("it exists already"),
            Self::Refused(why) | Self::Away(why) | Self::Unclear(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_says_is_understood() {
        let refused =
            "Error from server (Forbidden): jobs.batch is forbidden: User \"x\" cannot create";
        let away = "E1121 memcache.go:265] \"Unhandled Error\" err=\"couldn't get\"\n\
                    The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n";
        let busy = "Error from server (ServiceUnavailable): the server is currently unable to handle the request";
        let there = "Error from server (AlreadyExists): error when creating \"STDIN\": jobs.batch \"a\" already exists";
        assert!(matches!(of(refused), Trouble::Refused(_)) && of(refused).lasts());
        assert!(matches!(of(away), Trouble::Away(why) if why.contains("was refused")));
        assert!(matches!(of(busy), Trouble::Unclear(_)));
        assert_eq!(of(there), Trouble::Exists);
        let slow = "Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded while awaiting headers)";
        assert!(matches!(of(slow), Trouble::Unclear(_)));
        assert!(matches!(of(""), Trouble::Refused(_)));
        let node = "Error from server: Get \"https://n:10250/containerLogs/a\": remote error: tls: internal error";
        assert!(!of(node).lasts());
    }
}
