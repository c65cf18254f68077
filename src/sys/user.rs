//! Who and where this process is, and random names.

use rustix::rand::{GetRandomFlags, getrandom};

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The effective group id of this process.
pub fn effective_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

/// The host name of this machine.
pub fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// `bytes` random bytes as lower-case hexadecimal digits, two for each; at most 256 bytes.
pub fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes.min(256)];
    // Up to 256 bytes come whole. A signal may break off the wait while the machine's pool is still
    // being seeded; any other failure means that there is no such system call.
    loop {
        match getrandom(&mut buffer[..], GetRandomFlags::empty()) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("the system has no random numbers: {e}"),
        }
    }
    buffer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_have_their_length_and_differ() {
        let (a, b) = (random_hex(16), random_hex(16));
        assert_eq!(a.len(), 32);
        assert!(a.bytes().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(a, b);
        assert!(!hostname().is_empty());
    }
}
