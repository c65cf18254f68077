//! Addresses of remote repositories: what is refused, what is stored, what is shown.

use super::{Error, Result};

/// The longest address that is taken, in bytes.
const URL_MAX: usize = 4096;

/// A remote's address, split into what may be stored and the secret that may not.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    stored: String,
    secret: Option<String>,
}

/// What the POOL argument of a command means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolArgument {
    /// A pool's name.
    Name(String),
    /// A path to a repository.
    Path(String),
    /// A URL or scp-like address.
    Url(String),
}

impl PoolArgument {
    /// An absolute path is one whatever it contains; `://` or scp form is a URL; a `/` or a leading `.` is a path; the rest is a name.
    pub fn classify(text: &str) -> Self {
        let text = text.to_owned();
        if text.starts_with('/') {
            Self::Path(text)
        } else if text.contains("://") || scp_form(&text) || text.contains("::") {
            Self::Url(text)
        } else if text.contains('/') || text.starts_with('.') {
            Self::Path(text)
        } else {
            Self::Name(text)
        }
    }
}

/// `host:path` with no slash before the colon, as git decides it.
fn scp_form(text: &str) -> bool {
    match text.split_once(':') {
        Some((host, path)) => {
            !host.is_empty() && !host.contains('/') && !path.is_empty() && !host.starts_with('.')
        }
        None => false,
    }
}

impl RemoteUrl {
    /// Checks `text` and takes the secret out of it. Local paths must be absolute already.
    ///
    /// Refused: a leading `-` (git would take it for an option), `helper::address` (runs a
    /// program), control characters, unknown schemes, more than 4096 bytes.
    pub fn new(text: &str) -> Result<Self> {
        let shown = redact(text);
        let refuse = |reason: &str| {
            Err(Error::usage(format!(
                "{} can't be a repository's URL: {reason}",
                shown.escape_debug()
            )))
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > URL_MAX {
            return Err(Error::usage(format!(
                "a repository's URL can't be longer than {URL_MAX} bytes"
            )));
        }
        if text.starts_with('-') {
            return refuse("it begins with '-'");
        }
        if text.chars().any(char::is_control) {
            return refuse("it holds control characters");
        }
        if helper_form(text) {
            return refuse("it names a remote helper ('::'), which runs a program");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let known = [
                "https", "http", "ssh", "git", "file", "git+ssh", "ssh+git", "ftp", "ftps",
            ];
            if !known.contains(&scheme.to_ascii_lowercase().as_str()) {
                return refuse("its scheme is unknown");
            }
            if scheme.to_ascii_lowercase().starts_with("http") && rest.contains(['?', '#']) {
                return Err(Error::usage("a repository's URL with a query ('?', '#') is not taken, since that may be a token")
                    .with_hint("leave it out, and give the token by a credential helper"));
            }
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            if scheme.to_ascii_lowercase().starts_with("http")
                && path.contains('@')
                && authority.contains(':')
            {
                // A password with a '/' in it would be taken for a path, stored and shown.
                return Err(Error::usage("a repository's URL with '@' in its path is not taken, since that may be the end of a password")
                    .with_hint("write '/' in a password as %2F and '@' in a path as %40, or better use a credential helper"));
            }
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            if host.is_empty()
                || host.starts_with('-')
                || (host.starts_with('/') && scheme != "file")
            {
                return refuse("it names no host");
            }
        } else if !text.starts_with('/') && !scp_form(text) {
            return refuse("it is neither a URL nor an absolute path");
        }
        Ok(Self {
            secret: (shown != text).then(|| text.to_owned()),
            stored: shown,
        })
    }

    /// The address without passwords and tokens: the only form that is stored, shown, or given to
    /// git on a command line.
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// The address as given, if it held a secret; to be handed to git through its environment only.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// Whether the repository lies on this machine's file system.
    pub fn local_path(&self) -> Option<&str> {
        if self.stored.starts_with('/') {
            Some(&self.stored)
        } else {
            self.stored.strip_prefix("file://")
        }
    }

    /// Whether two addresses mean the same remote: without user info, trailing `/` and `.git`.
    pub fn same_remote(&self, other: &str) -> bool {
        normal(&self.stored) == normal(other)
    }

    /// The repository's own name: the last part of the path, without `.git`.
    pub fn repository_name(&self) -> &str {
        let text = self.stored.trim_end_matches('/');
        let text = text.strip_suffix("/.git").unwrap_or(text);
        let last = text.rsplit(['/', ':']).next().unwrap_or(text);
        last.strip_suffix(".git").unwrap_or(last)
    }
}

impl std::fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteUrl({})", self.stored)
    }
}

fn normal(url: &str) -> String {
    let url = url.strip_prefix("file://").unwrap_or(url);
    let url = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!(
                "{}://{}/{path}",
                scheme.to_ascii_lowercase(),
                host.to_ascii_lowercase()
            )
        }
        None => url.to_owned(),
    };
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/.git").unwrap_or(url);
    url.strip_suffix(".git").unwrap_or(url).to_owned()
}

/// `name::address`, where the name comes before any `/` or `:`.
fn helper_form(text: &str) -> bool {
    text.split_once("::")
        .is_some_and(|(name, _)| !name.contains(['/', ':']) && !name.contains('['))
}

/// `text` with the secret part of its user info taken out.
///
/// A token may stand in the place of the user name of an http URL, so there all of it goes; ssh
/// needs its user, so there only a password goes.
pub fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let Some((user_info, host)) = authority.rsplit_once('@') else {
        return text.to_owned();
    };
    let keep = if scheme.to_ascii_lowercase().contains("ssh") {
        user_info.split(':').next().unwrap_or_default()
    } else {
        ""
    };
    if keep.is_empty() {
        format!("{scheme}://{host}{path}")
    } else {
        format!("{scheme}://{keep}@{host}{path}")
    }
}

/// The secret parts of an address (user name and password of an http URL, password of an ssh one),
/// to be blotted out of what git prints.
pub fn secrets(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((user_info, _)) = authority.rsplit_once('@') else {
        return Vec::new();
    };
    let mut found = vec![format!("{user_info}@")];
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    // Shorter ones are parts of ordinary words; where they count, they stand before the '@'.
    found.extend((password.len() >= 4).then(|| password.to_owned()));
    if !scheme.contains("ssh") && user.len() >= 8 {
        found.push(user.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_addresses_are_refused() {
        for bad in [
            "",
            "-x",
            "--upload-pack=evil",
            "ext::sh -c id",
            "fd::3",
            "foo::bar",
            "a\nb:c",
            "relative/path",
            "javascript://x",
            "https://",
            "ssh://-oProxyCommand=x/y",
            "https://u@/x",
            "https://h/x.git?private_token=secret",
        ] {
            assert!(RemoteUrl::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_what_is_stored() {
        let url = RemoteUrl::new("https://bob:hunter22@example.com/a/b.git").unwrap();
        assert_eq!(url.stored(), "https://example.com/a/b.git");
        assert!(url.secret().is_some());
        assert!(!format!("{url:?}").contains("hunter"));
        assert_eq!(
            RemoteUrl::new("ssh://git:pw@h/x").unwrap().stored(),
            "ssh://git@h/x"
        );
        assert_eq!(
            RemoteUrl::new("git@h:a/b.git").unwrap().stored(),
            "git@h:a/b.git"
        );
        assert_eq!(RemoteUrl::new("git@h:a/b.git").unwrap().secret(), None);
        assert!(secrets("https://bob:hunter22@example.com/a").contains(&"hunter22".to_owned()));
    }

    #[test]
    fn one_remote_is_recognised_in_its_spellings() {
        let url = RemoteUrl::new("https://Example.com/a/b.git").unwrap();
        assert!(url.same_remote("https://example.com/a/b"));
        assert!(url.same_remote("https://tok@example.com/a/b/"));
        assert!(!url.same_remote("https://example.com/a/c"));
        assert!(
            RemoteUrl::new("/srv/x.git/")
                .unwrap()
                .same_remote("file:///srv/x.git")
        );
    }

    #[test]
    fn arguments_are_told_apart() {
        use PoolArgument::{Name, Path, Url};
        assert_eq!(PoolArgument::classify("app"), Name("app".into()));
        assert_eq!(PoolArgument::classify("."), Path(".".into()));
        assert_eq!(PoolArgument::classify("a/b"), Path("a/b".into()));
        assert_eq!(PoolArgument::classify("git@h:a/b"), Url("git@h:a/b".into()));
        assert_eq!(
            PoolArgument::classify("https://h/a"),
            Url("https://h/a".into())
        );
    }

    #[test]
    fn a_repository_is_named_after_its_last_part() {
        for (url, name) in [
            ("https://h/a/b.git", "b"),
            ("git@h:x.git", "x"),
            ("/srv/app/.git", "app"),
            ("/srv/app/", "app"),
        ] {
            assert_eq!(RemoteUrl::new(url).unwrap().repository_name(), name);
        }
    }
}
