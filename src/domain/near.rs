//! What somebody may have meant by a name that nothing has.

/// Of these names the one that is most like `wanted`, if the one can be a slip of the other: in one
/// letter of three at most, wherever it is upper or lower case.
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let wanted = wanted.to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    let distance = |name: &str| strsim::osa_distance(&wanted, &name.to_lowercase());
    let near = names
        .into_iter()
        .map(|name| (distance(&name), name))
        .filter(|(distance, _)| *distance <= most);
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_names_are_not() {
        let found = |wanted| nearest(wanted, ["my-project", "api", "web"].map(str::to_owned));
        for slip in ["my-projcet", "my_project", "My-Project", "myproject"] {
            assert_eq!(found(slip).as_deref(), Some("my-project"), "{slip}");
        }
        assert_eq!(found("apo").as_deref(), Some("api"));
        for other in ["", "x", "app-server", "https://example.com/my-project.git"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
