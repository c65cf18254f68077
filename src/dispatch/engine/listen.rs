//! The thread that hears signals and changes of files.

use std::sync::mpsc::Sender;
use std::thread::Scope;

use super::{Message, Setting};
use crate::dispatch::files::Source;
use crate::domain::Result;
use crate::sys::ears::{Ears, Heard, Listener};
use crate::sys::fs;

/// Begins to listen, until what this returns is dropped.
pub fn begin<'scope>(
    threads: &'scope Scope<'scope, '_>,
    setting: &Setting<'_>,
    files: &[Source],
    sender: Sender<Message>,
) -> Result<Listener> {
    let control = setting.workshop.run.control();
    // It is there before anybody says what they want.
    fs::append_line(&control, b"")?;
    let (mut ears, listener) = Ears::new()?;
    if let Some(signal) = ears.missed() {
        // The engine is there as long as this thread.
        let _ = sender.send(Message::Signal(signal));
    }
    let mut hears_all = ears.growing(&control);
    let watch = setting.options.watch;
    if watch {
        hears_all &= files.iter().all(|file| ears.replaced(&file.path));
    }
    let poll = setting.workshop.rules.poll_interval;
    // File systems of other machines tell nothing of what is done there.
    let limit = (watch || !hears_all).then_some(poll);
    threads.spawn(move || {
        loop {
            let heard = match ears.wait(limit) {
                Heard::Over => return,
                Heard::Signals(came) => came.into_iter().map(Message::Signal).collect(),
                Heard::Changed | Heard::TimeUp if watch => vec![Message::Wishes, Message::Files],
                Heard::Changed | Heard::TimeUp => vec![Message::Wishes],
            };
            if heard
                .into_iter()
                .any(|message| sender.send(message).is_err())
            {
                return;
            }
        }
    });
    Ok(listener)
}
