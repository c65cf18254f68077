//! The history of a pool: appended under the pool's lock, rotated when it has grown, read by
//! anybody at any time.

use super::PoolPaths;
use crate::domain::event::Event;
use crate::domain::{Error, Result};
use crate::sys::{fs, user};

/// The history is rotated beyond this size, in bytes; one older file is kept.
const ROTATE_AT: u64 = 8 * 1024 * 1024;

/// Appends `events`. The caller holds the pool's lock.
pub fn append(paths: &PoolPaths, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let file = paths.events();
    let there = fs::metadata_if_there(&file)?;
    // A link would have it written elsewhere, and a pipe swallow it.
    if there.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let place = paths.set_aside();
        fs::create_private_dir_all(&place)?;
        fs::rename_noreplace(
            &file,
            &place.join(format!("events.jsonl-{}", user::random_hex(4))),
        )?;
    } else if there.is_some_and(|metadata| metadata.len() > ROTATE_AT) {
        fs::rename(&file, &paths.old_events())?;
    }
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event)
            .map_err(|e| Error::failed(format!("cannot record an event: {e}")))?;
        lines.push(b'\n');
    }
    fs::append_line(&file, &lines)
}

/// The whole history, oldest first. Lines that can't be read are passed over: a torn last line is
/// what a killed writer leaves.
pub fn read(paths: &PoolPaths) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for file in [paths.old_events(), paths.events()] {
        let bytes = fs::read_if_there(&file)?.unwrap_or_default();
        events.extend(parse(&bytes));
    }
    Ok(events)
}

/// The newest event in which `word` stands and that `is_wanted`. Lines without it are not parsed.
pub fn newest(
    paths: &PoolPaths,
    word: &str,
    is_wanted: impl Fn(&Event) -> bool,
) -> Result<Option<Event>> {
    for file in [paths.events(), paths.old_events()] {
        let bytes = fs::read_if_there(&file)?.unwrap_or_default();
        let mut lines = bytes.rsplit(|byte| *byte == b'\n');
        let found = lines.find_map(|line| {
            let text = std::str::from_utf8(line).ok()?;
            let event = text
                .contains(word)
                .then(|| serde_json::from_str(text).ok())??;
            Some(event).filter(&is_wanted)
        });
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The events in whole lines.
pub(super) fn parse(bytes: &[u8]) -> impl Iterator<Item = Event> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
}
