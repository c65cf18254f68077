//! Where output goes: a descriptor of the process, or a test's buffer.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};

use crate::sys::crash;

/// A writer and what is known of its other end.
pub(super) struct Stream {
    writer: Mutex<Box<dyn Write + Send>>,
    /// Whether it is a terminal.
    pub(super) terminal: bool,
    extent: Extent,
}

/// How large the terminal is.
enum Extent {
    /// As it says itself; it can change at any time.
    Asked(BorrowedFd<'static>),
    /// As was given, with as many rows as are wanted.
    Given(Option<u16>),
}

/// The size of a terminal, where it says one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// The columns of stderr's terminal as it is now.
pub(super) fn columns_of_stderr() -> Option<u16> {
    let size = Stream::of(rustix::stdio::stderr()).size()?;
    Some(size.columns)
}

impl Stream {
    /// One of the process's own descriptors.
    pub(super) fn of(fd: BorrowedFd<'static>) -> Self {
        Self {
            writer: Mutex::new(Box::new(Descriptor(fd))),
            terminal: rustix::termios::isatty(fd),
            extent: Extent::Asked(fd),
        }
    }

    /// Any writer; with a width it counts as a terminal of that width.
    pub(super) fn to(writer: Box<dyn Write + Send>, width: Option<u16>) -> Self {
        Self {
            writer: Mutex::new(writer),
            terminal: width.is_some(),
            extent: Extent::Given(width),
        }
    }

    /// The size of the terminal as it is now.
    pub(super) fn size(&self) -> Option<Size> {
        let size = match self.extent {
            Extent::Asked(fd) if self.terminal => {
                let size = rustix::termios::tcgetwinsize(fd).ok()?;
                Size {
                    columns: size.ws_col,
                    rows: size.ws_row,
                }
            }
            Extent::Asked(_) => return None,
            Extent::Given(width) => Size {
                columns: width?,
                rows: 0,
            },
        };
        (size.columns > 0).then_some(size)
    }

    /// Writes all of it at once, so that lines of several threads don't mix.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.lock();
        crash::point("print", "");
        writer.write_all(bytes)?;
        writer.flush()
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        // A writer has no state that a panic elsewhere could have left half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A descriptor, written without a buffer. The standard library's handles report a descriptor
/// that can't be written as a success; a path that nobody could read would count as handed out.
struct Descriptor(BorrowedFd<'static>);

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                // Another process may have made a shared terminal or pipe non-blocking.
                Err(rustix::io::Errno::AGAIN) => {
                    poll(
                        &mut [PollFd::from_borrowed_fd(self.0, PollFlags::OUT)],
                        None,
                    )?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer to write to, for tests.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Captured(std::sync::Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Captured {
    /// All that was written.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
