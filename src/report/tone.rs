//! Colour: which there is, and how it gets through a layout that counts columns.

/// How text stands out, in colours that can be read on light and dark backgrounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Tone {
    pub(super) const ALL: [Self; 6] = [
        Self::Bold,
        Self::Dim,
        Self::Red,
        Self::Green,
        Self::Yellow,
        Self::Cyan,
    ];

    /// The terminal's code.
    fn sgr(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
        }
    }

    /// A character of no width that stands for the code while a table is laid out: the layout
    /// would count the code itself. Foreign text never has one, since these are escaped.
    pub(super) fn marker(self) -> char {
        [
            '\u{2060}', '\u{2061}', '\u{2062}', '\u{2063}', '\u{2064}', '\u{206a}',
        ][self as usize]
    }
}

/// Ends a [`Tone::marker`].
pub(super) const END: char = '\u{206b}';

/// `text` with the codes of a tone around it, if colour is on.
pub(super) fn painted(text: &str, tone: Tone, color: bool) -> String {
    if color && !text.is_empty() {
        format!("\x1b[{}m{text}\x1b[0m", tone.sgr())
    } else {
        text.to_owned()
    }
}

/// Puts the codes in the place of their markers. A tone ends with its line.
pub(super) fn paint(text: &str) -> String {
    if !text.contains(END) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut open = false;
    for c in text.chars() {
        if let Some(tone) = Tone::ALL.into_iter().find(|tone| tone.marker() == c) {
            out.push_str(&format!("\x1b[{}m", tone.sgr()));
            open = true;
        } else if c == END || (c == '\n' && open) {
            if open {
                out.push_str("\x1b[0m");
            }
            open = false;
            if c == '\n' {
                out.push(c);
            }
        } else {
            out.push(c);
        }
    }
    out
}
