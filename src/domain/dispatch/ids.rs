//! Names that files, branches, containers and processes can have, made of a task's id, which may
//! hold anything printable.

#[cfg(test)]
mod tests;

/// The longest name that is made, in bytes: room is left for endings within the 255 of a file name.
const LONGEST: usize = 120;

/// The name of a task in paths and branches. Two ids never share one:
///
/// - an id of letters, digits, `.`, `_` and `-` is its own name;
/// - any other byte becomes `%xx`, and so do a `.` or `-` that a file or branch can't have there, or
///   that would look like the number of an attempt (`.a2`);
/// - what would be longer than 120 bytes is cut, and `=` with a digest follows.
pub fn encoded(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (place, byte) in id.bytes().enumerate() {
        match stays(id.as_bytes(), place) {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if id.is_empty() {
        name.push('%');
    }
    if name.len() > LONGEST {
        let digest = format!("={:032x}", digest(id.as_bytes()));
        name.truncate(LONGEST - digest.len());
        name.push_str(&digest);
    }
    name
}

/// The longest name of a runner, in bytes: Kubernetes has its names in labels, which take no longer one.
const LONGEST_RUNNER: usize = 63;

/// What an attempt's runner is called, whatever runs it: `rp-<run>-<task>-a<n>`, in small letters,
/// digits and `-` only, which is what containers, Jobs and host names can have. What has to be changed
/// or cut for that has a digest before the number.
pub fn runner(run: &str, task: &str, attempt: u32) -> String {
    let whole = format!("rp-{run}-{task}");
    let end = format!("-a{attempt}");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if whole.bytes().all(plain) && whole.len() + end.len() <= LONGEST_RUNNER {
        return whole + &end;
    }
    let digest = format!("-{:08x}", digest(whole.as_bytes()) as u32);
    let letter = |byte: u8| match byte.to_ascii_lowercase() {
        byte if plain(byte) => char::from(byte),
        _ => '-',
    };
    let room = LONGEST_RUNNER - digest.len() - end.len();
    let readable: String = whole.bytes().map(letter).take(room).collect();
    format!("{readable}{digest}{end}")
}

/// Whether the byte at that place can stand in a name as it is.
fn stays(id: &[u8], place: usize) -> bool {
    let next = |distance: usize| id.get(place + distance);
    match id[place] {
        b'_' => true,
        b'-' => place > 0,
        b'.' => {
            let number =
                matches!(next(1), Some(b'a' | b'A')) && next(2).is_some_and(u8::is_ascii_digit);
            let lock = id[place..].eq_ignore_ascii_case(b".lock");
            place > 0 && !matches!(next(1), None | Some(b'.')) && !number && !lock
        }
        byte => byte.is_ascii_alphanumeric(),
    }
}

/// FNV-1a in 128 bits: the same in every version of this program, for names that stay on disk.
pub fn digest(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |digest, byte| {
        (digest ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}
