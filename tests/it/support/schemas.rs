//! The published schemas, and documents held against them.

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// A published schema: as readers have it, and with nothing allowed that it does not name.
struct Published {
    open: Validator,
    strict: Validator,
}

/// All published schemas by the names of their documents.
fn all() -> &'static BTreeMap<String, Published> {
    static ALL: OnceLock<BTreeMap<String, Published>> = OnceLock::new();
    ALL.get_or_init(|| {
        let all = read_all().into_iter().map(|(name, schema)| {
            let mut strict = schema.clone();
            close(&mut strict, false);
            let published = Published {
                open: validator(&schema),
                strict: validator(&strict),
            };
            (name, published)
        });
        all.collect()
    })
}

/// The files, by the names of their documents.
pub fn read_all() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/schemas");
    let entries = std::fs::read_dir(directory).expect("the schemas");
    let files = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read(&path).expect("a schema");
        let schema = serde_json::from_slice(&text).expect("a schema is JSON");
        (name.into_owned(), schema)
    });
    files.collect()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap_or_else(|error| panic!("{}: {error}", schema["$id"]))
}

/// Refuses keys that the schema does not name, in every object that it describes. `part`: it is part of
/// the description of an object that is refused them already.
fn close(schema: &mut Value, part: bool) {
    let Value::Object(map) = schema else { return };
    let describes = map.contains_key("properties");
    for (key, value) in &mut *map {
        match (key.as_str(), value) {
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => {
                parts
                    .iter_mut()
                    .for_each(|one| close(one, part || describes));
            }
            ("properties" | "$defs", Value::Object(named)) => {
                named.values_mut().for_each(|one| close(one, false));
            }
            ("items" | "additionalProperties", one) => close(one, false),
            _ => {}
        }
    }
    if describes && !part {
        map.insert("unevaluatedProperties".into(), json!(false));
    }
}

/// What keeps a value from being the document `name`, for readers.
pub fn misfits(name: &str, document: &Value) -> Vec<String> {
    errors(&published(name).open, document)
}

/// The same where every key must be published too.
pub fn strict_misfits(name: &str, document: &Value) -> Vec<String> {
    errors(&published(name).strict, document)
}

fn published(name: &str) -> &'static Published {
    let found = all().get(name);
    found.unwrap_or_else(|| panic!("there is no schema {name}"))
}

fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    let errors = validator.iter_errors(document);
    let lines = errors.map(|error| format!("{}: {error}", error.instance_path()));
    lines.collect()
}

/// A document must be what is published as `name`, with nothing in it that is not.
#[track_caller]
pub fn assert_is(name: &str, document: &Value) {
    for misfits in [misfits(name, document), strict_misfits(name, document)] {
        assert!(
            misfits.is_empty(),
            "not a {name}: {misfits:#?}\n{document:#}"
        );
    }
}

/// A document must be one of those that are published, with nothing in it that is not.
#[track_caller]
pub fn assert_published(document: &Value) {
    if all().values().any(|one| one.strict.is_valid(document)) {
        return;
    }
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect());
    let (top, result): (Option<Vec<String>>, Option<Vec<String>>) =
        (keys(document), keys(&document["result"]));
    let all = all().iter();
    let misfits: BTreeMap<_, _> = all
        .map(|(name, one)| (name, errors(&one.strict, document)))
        .collect();
    let fewest = misfits.iter().min_by_key(|(_, misfits)| misfits.len());
    panic!("no published document, keys {top:?} {result:?}; nearest: {fewest:#?}\n{document:#}");
}
