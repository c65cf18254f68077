use proptest::prelude::*;

use super::*;

#[test]
fn plain_ids_are_their_own_names_and_others_can_be_read() {
    for (id, name) in [
        ("3", "3"),
        ("api_v2.1-x", "api_v2.1-x"),
        ("AUTH-12", "AUTH-12"),
        ("fixLogin", "fixLogin"),
        ("a/b", "a%2fb"),
        ("say \"hi\"\n", "say%20%22hi%22%0a"),
        ("ä", "%c3%a4"),
        ("..", "%2e%2e"),
        (".git", "%2egit"),
        ("a..b", "a%2e.b"),
        ("x.lock", "x%2elock"),
        ("x.", "x%2e"),
        ("-rf", "%2drf"),
        ("3.a1", "3%2ea1"),
        ("3.api", "3.api"),
        ("", "%"),
    ] {
        assert_eq!(encoded(id), name, "{id:?}");
    }
    let (long, other) = ("x".repeat(10_000), "x".repeat(10_001));
    assert_eq!(encoded(&long).len(), LONGEST);
    assert_ne!(encoded(&long), encoded(&other));
    assert_eq!(encoded(&"x".repeat(LONGEST)), "x".repeat(LONGEST));
}

#[test]
fn runners_have_names_that_containers_and_jobs_can_have() {
    assert_eq!(runner("tasks-0a1b2c3d", "3", 2), "rp-tasks-0a1b2c3d-3-a2");
    assert_eq!(runner("t", "a_b", 1), "rp-t-a-b-7a516e8d-a1");
    assert_ne!(runner("t", "a_b", 1), runner("t", "a.b", 1));
}

proptest! {
    #[test]
    fn runners_are_labels(run in "[a-z0-9=%-]{1,120}", task in "\\PC{0,80}", n: u32) {
        let name = runner(&run, &task, n);
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        prop_assert!(name.chars().all(allowed) && name.len() <= 63, "{}", name);
        let end = format!("-a{n}");
        prop_assert!(name.starts_with("rp-") && name.ends_with(&end), "{}", name);
    }


    #[test]
    fn names_are_told_apart_and_fit_files_and_branches(
        a in "[aAbB./+%=@{ \\\\~-]{0,6}|\\PC{0,60}",
        b in "[aAbB./+%=@{ \\\\~-]{0,6}|\\PC{0,60}",
    ) {
        let (one, two) = (encoded(&a), encoded(&b));
        prop_assert_eq!(a == b, one == two, "{} {}", one, two);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-%=".contains(c);
        prop_assert!(one.chars().all(allowed) && !one.is_empty() && one.len() <= LONGEST);
        prop_assert!(!one.starts_with(['.', '-']) && !one.ends_with('.') && !one.contains(".."));
        prop_assert!(!one.to_ascii_lowercase().ends_with(".lock"));
    }
}
