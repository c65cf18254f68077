//! Names as labels can have them.

use crate::domain::dispatch::ids::digest;

/// The longest value of a label, in bytes.
const LONGEST: usize = 63;

/// Labels, annotations.
pub const RUN: &str = "repo-pool.run";
/// The task's id.
pub const TASK: &str = "repo-pool.task";
/// The runner's id.
pub const RUNNER: &str = "repo-pool.runner";
/// The number of the attempt.
pub const ATTEMPT: &str = "repo-pool.attempt";
/// The attempt's token.
pub const TOKEN: &str = "repo-pool.token";
/// What tells this one Job from any other.
pub const ID: &str = "repo-pool.id";

/// A label's value for any text: letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
/// What has to be changed or cut for that has a digest at its end, so that two texts never share one.
pub fn label(text: &str) -> String {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = |text: &str| {
        let at = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        at(text.bytes().next()) && at(text.bytes().last())
    };
    if text.len() <= LONGEST && text.bytes().all(inner) && ends(text) {
        return text.to_owned();
    }
    let digest = format!("{:016x}", digest(text.as_bytes()) as u64);
    let readable: String = text
        .bytes()
        .map(|byte| match inner(byte) {
            true => char::from(byte),
            false => '-',
        })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(LONGEST - digest.len() - 1)
        .collect();
    match readable.is_empty() {
        true => digest,
        false => format!("{readable}.{digest}"),
    }
}
