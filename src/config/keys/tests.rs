use super::*;

#[test]
fn every_default_and_example_is_a_value_of_its_key() {
    for key in all() {
        for literal in [key.default, key.example].into_iter().flatten() {
            let parsed = DeValue::parse(literal).unwrap();
            let value = Value::from_toml(&key.kind, parsed.get_ref());
            assert!(value.is_ok(), "{}: {value:?}", key.name);
        }
        assert!(key.doc.ends_with('.') && key.doc.len() < 90, "{}", key.name);
    }
}

#[test]
fn names_and_variables_are_unique() {
    // No name is in two tables: so a key that stands in the wrong one can be sent to the right one.
    let mut names: Vec<&str> = all().map(|key| key.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(
        find("git_timeout").unwrap().variable().as_deref(),
        Some("REPO_POOL_GIT_TIMEOUT")
    );
    assert_eq!(find("keep").unwrap().variable(), None);
    names.retain(|name| find(name).is_some_and(|key| key.variable().is_some()));
    for reserved in [
        "workspace",
        "config",
        "slot",
        "slot_path",
        "pool",
        "allocation",
        "index",
        "port",
        "port_count",
    ] {
        assert!(
            !names.contains(&reserved),
            "{reserved} is a variable of its own"
        );
    }
}
