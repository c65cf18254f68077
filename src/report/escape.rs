//! Making foreign text harmless for a terminal and for the reader's eye.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character must not reach a terminal as it is: control characters, and those that
/// are invisible or reorder the text around them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if u32::from(c) < 0x100 => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

fn escape_if(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&bad) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if bad(c) {
            push_escaped(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// One line of printable text: control, invisible and reordering characters become `\n`, `\x1b`,
/// `\u{202e}`; everything else stays, backslashes too.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_if(text, is_unsafe)
}

/// The same for text of several lines: line ends and tabs stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_if(text, |c| is_unsafe(c) && c != '\n' && c != '\t')
}

/// The same for bytes that need not be UTF-8; those that are not become `\xff`.
pub(super) fn escape_byte_lines(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return escape_lines(text);
    }
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape_lines(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// JSON text in which the unsafe characters that JSON allows unescaped are `\uXXXX` too. They
/// can only be inside of strings, so the document stays the same.
pub(super) fn escape_json(text: String) -> String {
    if !text.contains(is_unsafe) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// `text` as one word for a shell, so that a printed command can be pasted.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn printable_text_stays_as_it_is() {
        for text in ["", "feature/größe", "日本語 👩‍👩‍👧", r"C:\n", "می‌خواهم"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn control_and_reordering_characters_become_visible() {
        assert_eq!(escape("a\x1b[31mb\r\n\t\x7f"), r"a\x1b[31mb\r\n\t\x7f");
        assert_eq!(escape("\u{9b}31m"), r"\x9b31m");
        assert_eq!(
            escape("a\u{202e}b\u{2066}c\u{2061}"),
            r"a\u{202e}b\u{2066}c\u{2061}"
        );
        assert_eq!(escape_lines("a\n\tb\r\n"), "a\n\tb\\r\n");
        assert_eq!(escape_byte_lines(b"a\xffb\x1b\xc3\xa4"), r"a\xffb\x1bä");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            prop_assert!(!escape_byte_lines(&bytes).replace(['\n', '\t'], "").contains(is_unsafe));
            prop_assert!(!escape(&text).contains(is_unsafe));
            prop_assert!(!escape_lines(&text).replace(['\n', '\t'], "").contains(is_unsafe));
        }

        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let value = serde_json::Value::String(text);
            let json = escape_json(value.to_string());
            prop_assert!(!json.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        }
    }
}
