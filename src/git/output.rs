//! What comes back from a git command.

/// What a successful or expected git command printed.
pub struct Output {
    /// Its stdout, as bytes.
    pub stdout: Vec<u8>,
    /// Its stderr, as bytes.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub code: i32,
}

impl Output {
    /// stdout as text without surrounding white space; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}
