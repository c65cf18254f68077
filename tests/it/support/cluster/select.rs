//! Which objects a request is about: label and field selectors.

use serde_json::Value;

/// Whether an object is one of those that are selected.
pub fn selected(object: &Value, labels: &str, fields: &str) -> bool {
    let label = |name: &str| object["metadata"]["labels"][name].as_str();
    let field = |name: &str| {
        let mut parts = name.split('.');
        parts.try_fold(object, |at, part| at.get(part))?.as_str()
    };
    requirements(labels).iter().all(|one| holds(one, label))
        && requirements(fields).iter().all(|one| holds(one, field))
}

/// Those of a selector: the commas within brackets separate values.
fn requirements(selector: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut depth = 0;
    for c in selector.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match (c, all.last_mut()) {
            (',', _) if depth == 0 => all.push(String::new()),
            (_, Some(last)) => last.push(c),
            _ => {}
        }
    }
    all.retain(|one| !one.trim().is_empty());
    all
}

fn holds<'a>(requirement: &str, value: impl Fn(&str) -> Option<&'a str>) -> bool {
    let text = requirement.trim();
    if let Some((name, wanted)) = text.split_once("!=") {
        return value(name.trim()) != Some(wanted.trim());
    }
    if let Some((name, wanted)) = text.split_once('=') {
        let wanted = wanted.trim_start_matches('=').trim();
        return value(name.trim()) == Some(wanted);
    }
    if let Some((name, set)) = text.split_once(" notin ") {
        return value(name.trim()).is_none_or(|value| !is_in(value, set));
    }
    if let Some((name, set)) = text.split_once(" in ") {
        return value(name.trim()).is_some_and(|value| is_in(value, set));
    }
    match text.strip_prefix('!') {
        Some(name) => value(name.trim()).is_none(),
        None => value(text).is_some(),
    }
}

fn is_in(value: &str, set: &str) -> bool {
    let set = set.trim().trim_start_matches('(').trim_end_matches(')');
    set.split(',').any(|one| one.trim() == value)
}
