//! Variables as commands of a shell, safe for `eval` whatever they hold.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// How a shell wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// As POSIX says, for sh, bash, zsh and their like.
    Posix,
    /// fish.
    Fish,
}

/// One command for each variable, which sets it for the shell and for what that starts.
pub fn exports(shell: Shell, variables: &[(OsString, OsString)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in variables {
        let (before, between) = match shell {
            Shell::Posix => ("export ", "="),
            Shell::Fish => ("set -gx ", " "),
        };
        text.extend_from_slice(before.as_bytes());
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(between.as_bytes());
        text.extend(quoted(shell, value));
        text.push(b'\n');
    }
    text
}

/// A word as a shell has to be given it, in quotes if it needs them.
pub fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => Cow::Borrowed(text),
        false => {
            let quoted = quoted(Shell::Posix, OsStr::new(text));
            Cow::Owned(String::from_utf8_lossy(&quoted).into_owned())
        }
    }
}

fn quoted(shell: Shell, value: &OsStr) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in value.as_bytes() {
        match (shell, byte) {
            (Shell::Posix, b'\'') => text.extend_from_slice(b"'\\''"),
            (Shell::Fish, b'\'' | b'\\') => text.extend_from_slice(&[b'\\', *byte]),
            _ => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_need_it() {
        assert_eq!(word("api/auth.py"), "api/auth.py");
        assert_eq!(word("it's"), "'it'\\''s'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn nothing_in_a_value_is_read_as_anything_else() {
        let variables = [("A".into(), "it's $HOME `x` \\ \n\"".into())];
        let text = |shell| String::from_utf8(exports(shell, &variables)).unwrap();
        assert_eq!(
            text(Shell::Posix),
            "export A='it'\\''s $HOME `x` \\ \n\"'\n"
        );
        assert_eq!(
            text(Shell::Fish),
            "set -gx A 'it\\'s $HOME `x` \\\\ \n\"'\n"
        );
    }
}
