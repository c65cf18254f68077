//! The one way out: data to stdout, everything else to stderr.

use std::io::{self, Write};

use serde::Serialize;

use super::advice::here;
use super::escape;
use super::failure::Failure;
use super::grid::Layout;
use super::json;
use super::progress::Progress;
use super::stream::{Size, Stream};
use super::tone::{Tone, painted};
use crate::domain::{Error, Result};

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On terminals, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How output was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// One JSON document instead of text; errors too.
    pub json: bool,
    /// No notes.
    pub quiet: bool,
    /// 1: what is done; 2: every git command too.
    pub verbosity: u8,
    /// When colour is used.
    pub color: ColorChoice,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set and not `0`.
    pub clicolor_force: bool,
}

impl Options {
    fn color_on(&self, terminal: bool) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !self.no_color && (self.clicolor_force || terminal),
        }
    }
}

/// stdout and stderr. All methods may be called from any thread; what one call writes stays
/// together, and bars step aside for it.
pub struct Output {
    options: Options,
    out: Stream,
    err: Stream,
    progress: Progress,
}

impl Output {
    /// The process's own stdout and stderr.
    pub fn new(options: Options) -> Self {
        let out = Stream::of(rustix::stdio::stdout());
        let err = Stream::of(rustix::stdio::stderr());
        let bars = err.terminal && !options.quiet && !options.json;
        Self {
            options,
            out,
            err,
            progress: Progress::new(bars),
        }
    }

    /// Other writers in their place; with a width, stdout counts as a terminal of that width.
    /// stderr never does, and no bars are drawn.
    pub fn to_writers(
        options: Options,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        width: Option<u16>,
    ) -> Self {
        Self {
            options,
            out: Stream::to(out, width),
            err: Stream::to(err, None),
            progress: Progress::new(false),
        }
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.options.json
    }

    /// What tables for stdout have to keep to.
    pub fn layout(&self) -> Layout {
        Layout {
            width: self.out.size().map(|size| size.columns),
            color: self.options.color_on(self.out.terminal),
        }
    }

    /// Says text of this layer's own making on stderr, unless that was asked to be quiet or in JSON.
    pub fn note_text(&self, text: impl FnOnce(&Layout) -> String) {
        if !self.options.quiet && !self.options.json {
            let layout = Layout {
                width: self.err.size().map(|size| size.columns),
                color: self.colors_stderr(),
            };
            self.say(text(&layout).trim_end());
        }
    }

    /// Whether stdout is a terminal.
    pub fn is_at_terminal(&self) -> bool {
        self.out.terminal
    }

    /// The size of stdout's terminal as it is now.
    pub(super) fn size(&self) -> Option<Size> {
        self.out.size()
    }

    /// The bars on stderr.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Writes lines of data to stdout, and a line end if the last one lacks it; nothing at all
    /// for nothing. What a pipe or file gets is byte for byte what was given; a terminal gets it
    /// escaped.
    ///
    /// # Errors
    /// Whatever writing fails with, a closed pipe included.
    pub fn data(&self, lines: impl AsRef<[u8]>) -> io::Result<()> {
        let lines = lines.as_ref();
        if self.out.terminal {
            self.lines(escape::escape_byte_lines(lines).as_bytes())
        } else {
            self.lines(lines)
        }
    }

    /// Writes a piece of data to stdout, whose last line may go on in the next piece.
    ///
    /// # Errors
    /// As for [`Output::data`].
    pub fn piece(&self, bytes: &[u8]) -> io::Result<()> {
        match self.out.terminal {
            true => self.out.write(escape::escape_byte_lines(bytes).as_bytes()),
            false => self.out.write(bytes),
        }
    }

    /// Writes text of this layer's own making (tables) to stdout as it is.
    ///
    /// # Errors
    /// As for [`Output::data`].
    pub fn text(&self, text: &str) -> io::Result<()> {
        self.lines(text.as_bytes())
    }

    /// Writes to stdout what drives its terminal, all of it at once.
    pub(super) fn drive(&self, codes: &str) -> io::Result<()> {
        self.out.write(codes.as_bytes())
    }

    /// Writes `{"schema":1,"<key>":<value>}` as one line to stdout.
    ///
    /// # Errors
    /// As for [`Output::data`].
    pub fn json(&self, key: &str, value: &impl Serialize) -> io::Result<()> {
        self.json_line(&json::Keyed { key, value })
    }

    /// Writes `{"schema":1, …}` with the fields of `body`, a struct or map, as one line to stdout.
    ///
    /// # Errors
    /// As for [`Output::data`].
    pub fn json_object(&self, body: &impl Serialize) -> io::Result<()> {
        self.json_line(&json::Flat::new(body))
    }

    /// Writes a value that carries its own `schema` (an event) as one line to stdout.
    ///
    /// # Errors
    /// As for [`Output::data`].
    pub fn json_line(&self, value: &impl Serialize) -> io::Result<()> {
        self.lines(json::text(value)?.as_bytes())
    }

    /// Says something worth knowing on stderr, unless that was asked to be quiet or in JSON.
    pub fn note(&self, text: &str) {
        if !self.options.quiet && !self.options.json {
            self.say(&escape::escape_lines(&here(text)));
        }
    }

    /// Says on stderr that something is not as it should be; in JSON as `{"schema":1,"warning":…}`.
    pub fn warn(&self, text: &str) {
        let text = here(text);
        if self.options.json {
            let line = json::Keyed {
                key: "warning",
                value: &text,
            };
            self.say(&json::text(&line).unwrap_or_default());
        } else {
            let label = painted("warning:", Tone::Yellow, self.colors_stderr());
            self.say(&format!("{label} {}", escape::escape_lines(&text)));
        }
    }

    /// Says on stderr what is done, with `-v`.
    pub fn detail(&self, text: &str) {
        self.verbose(1, text);
    }

    /// Says on stderr what is run, with `-vv`.
    pub fn trace(&self, text: &str) {
        self.verbose(2, text);
    }

    /// Whether `-v` was given at least `level` times: spares making text that nobody sees.
    pub fn is_verbose(&self, level: u8) -> bool {
        self.options.verbosity >= level
    }

    /// Says on stderr why the command failed.
    pub fn error(&self, failure: &Failure) {
        let failure = &failure.here();
        if self.options.json {
            self.say(
                &json::text(&json::Keyed {
                    key: "error",
                    value: failure,
                })
                .unwrap_or_default(),
            );
        } else {
            self.say(&failure.render(self.colors_stderr()));
        }
    }

    fn verbose(&self, level: u8, text: &str) {
        if self.is_verbose(level) {
            let text = escape::escape_lines(text);
            self.say(&painted(&text, Tone::Dim, self.colors_stderr()));
        }
    }

    pub(super) fn colors_stderr(&self) -> bool {
        self.options.color_on(self.err.terminal)
    }

    /// A failure to write to stderr has nowhere left to be reported.
    fn say(&self, text: &str) {
        let line = format!("{text}\n");
        let _ = self.progress.aside(|| self.err.write(line.as_bytes()));
    }

    fn lines(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut all = bytes.to_vec();
        if !all.ends_with(b"\n") {
            all.push(b'\n');
        }
        self.progress.aside(|| self.out.write(&all))
    }
}

/// The result of writing what may go unread (tables, lists): a closed pipe is no failure.
///
/// # Errors
/// Any other failure to write, as [`Error::Io`].
pub fn unless_closed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => delivered(other),
    }
}

/// The same for one who goes on writing: whether anybody is left to read it.
///
/// # Errors
/// As for [`unless_closed`].
pub fn read_by_somebody(written: io::Result<()>) -> Result<bool> {
    let open = !matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
    unless_closed(written).map(|()| open)
}

/// The result of writing what must arrive (the path of a slot): a closed pipe is a failure too.
///
/// # Errors
/// Any failure to write, as [`Error::Io`].
pub fn delivered(written: io::Result<()>) -> Result<()> {
    written.map_err(|error| Error::io("write to", "standard output", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::stream::Captured;

    fn output(options: Options, width: Option<u16>) -> (Output, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let output =
            Output::to_writers(options, Box::new(out.clone()), Box::new(err.clone()), width);
        (output, out, err)
    }

    #[test]
    fn data_is_raw_for_pipes_and_escaped_for_terminals() {
        let (pipe, out, _) = output(Options::default(), None);
        pipe.data("/a\x1b[31m").unwrap();
        pipe.data("").unwrap();
        pipe.data(b"two\nlines\n").unwrap();
        assert_eq!(out.text(), "/a\x1b[31m\ntwo\nlines\n");

        let (terminal, out, _) = output(Options::default(), Some(80));
        terminal.data(b"/a\x1b[31m\xff\n").unwrap();
        assert_eq!(out.text(), "/a\\x1b[31m\\xff\n");
    }

    #[test]
    fn documents_carry_their_schema_first_and_keep_the_order_of_fields() {
        #[derive(Serialize)]
        struct Body {
            zebra: u8,
            apple: &'static str,
        }
        let body = Body {
            zebra: 1,
            apple: "\u{9b}\u{202e}",
        };
        let (output, out, _) = output(Options::default(), None);
        output.json("slot", &body).unwrap();
        output.json_object(&body).unwrap();
        insta::assert_snapshot!(out.text(), @r#"
        {"schema":1,"slot":{"zebra":1,"apple":"\u009b\u202e"}}
        {"schema":1,"zebra":1,"apple":"\u009b\u202e"}
        "#);
    }

    #[test]
    fn verbosity_and_quiet_decide_what_is_said() {
        let said = |options: Options| {
            let (output, out, err) = output(options, None);
            output.note("note");
            output.warn("warn\x07");
            output.detail("detail");
            output.trace("trace");
            assert_eq!(out.text(), "");
            err.text()
        };
        assert_eq!(said(Options::default()), "note\nwarning: warn\\x07\n");
        let quiet = Options {
            quiet: true,
            ..Options::default()
        };
        assert_eq!(said(quiet), "warning: warn\\x07\n");
        let verbose = Options {
            verbosity: 2,
            color: ColorChoice::Always,
            ..Options::default()
        };
        assert_eq!(
            said(verbose),
            "note\n\x1b[33mwarning:\x1b[0m warn\\x07\n\x1b[2mdetail\x1b[0m\n\x1b[2mtrace\x1b[0m\n"
        );
        let json = Options {
            json: true,
            ..Options::default()
        };
        assert_eq!(said(json), "{\"schema\":1,\"warning\":\"warn\\u0007\"}\n");
    }

    #[test]
    fn colour_follows_choice_then_environment_then_terminal() {
        let on = |color, no_color, clicolor_force, terminal| {
            Options {
                color,
                no_color,
                clicolor_force,
                ..Options::default()
            }
            .color_on(terminal)
        };
        assert!(on(ColorChoice::Auto, false, false, true));
        assert!(!on(ColorChoice::Auto, false, false, false));
        assert!(!on(ColorChoice::Auto, true, false, true));
        assert!(on(ColorChoice::Auto, false, true, false));
        assert!(!on(ColorChoice::Auto, true, true, true));
        assert!(on(ColorChoice::Always, true, false, false));
        assert!(!on(ColorChoice::Never, false, true, true));
    }

    #[test]
    fn a_closed_pipe_fails_only_what_must_arrive() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Output::to_writers(
            Options::default(),
            Box::new(Closed),
            Box::new(io::sink()),
            None,
        );
        assert!(unless_closed(output.text("x")).is_ok());
        assert!(matches!(read_by_somebody(output.text("x")), Ok(false)));
        assert!(matches!(read_by_somebody(Ok(())), Ok(true)));
        assert!(delivered(output.data("x")).is_err());
        assert!(unless_closed(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
