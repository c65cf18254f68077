//! The published schemas of all documents, made from the types that the documents are made from.
//!
//! `REPO_POOL_UPDATE=1 cargo test --lib schemas` rewrites the files in `man/schemas`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

mod documents;

/// File names and what belongs in them.
type Files = BTreeMap<String, String>;

/// The file with the schema of a document that is called `name`.
fn of<T: JsonSchema>(name: &str, description: &str) -> (String, String) {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(Absent)
        .with_transform(Plain);
    let made = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:repo-pool:schema:1:{name}"),
        "title": format!("repo-pool {name}"),
        "description": description,
    });
    for (key, value) in made.as_object().into_iter().flatten() {
        schema.ensure_object().entry(key).or_insert(value.clone());
    }
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    (format!("{name}.json"), text + "\n")
}

/// A key that does not apply is absent, and never `null`; what could not be determined is `null`.
#[derive(Clone)]
struct Absent;

impl Transform for Absent {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        let required = object.get("required").and_then(Value::as_array).cloned();
        let required = required.unwrap_or_default();
        let properties = object.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let Some(property) = property.as_object_mut() else {
                continue;
            };
            let nullable = property.remove("nullable").is_some();
            if !nullable && !required.contains(&Value::from(name.as_str())) {
                without_null(property);
            }
        }
    }
}

/// Takes `null` from what a property may be.
fn without_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            property["type"] = one.clone();
        }
    }
    let null = json!({ "type": "null" });
    let others = property.get("anyOf").and_then(Value::as_array).map(|all| {
        let others = all.iter().filter(|one| **one != null);
        others.cloned().collect::<Vec<_>>()
    });
    if let Some([Value::Object(one)]) = others.as_deref() {
        property.remove("anyOf");
        property.extend(one.clone());
    }
}

/// Without what concerns only this program: the sizes of its numbers, and its defaults.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if schema
            .get("format")
            .is_some_and(|format| format != "date-time")
        {
            schema.remove("format");
        }
        schema.remove("default");
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man/schemas")
}

/// What the files in `directory` hold.
fn found(directory: &Path) -> Files {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let files = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a schema can be read");
        (name.into_owned(), text)
    });
    files.collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "rewriting the committed files is this test's own work, not the program's"
)]
fn update(directory: &Path, schemas: &Files) {
    std::fs::create_dir_all(directory).expect("the directory can be made");
    for name in found(directory).keys() {
        std::fs::remove_file(directory.join(name)).expect("a file can be removed");
    }
    for (name, text) in schemas {
        std::fs::write(directory.join(name), text).expect("a file can be written");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variable steers this test, not the program"
)]
fn update_is_wanted() -> bool {
    std::env::var_os("REPO_POOL_UPDATE").is_some_and(|value| value == "1")
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let schemas = documents::all();
    if update_is_wanted() {
        update(&directory(), &schemas);
    }
    let found = found(&directory());
    let names: BTreeSet<_> = schemas.keys().chain(found.keys()).collect();
    let differing: Vec<_> = names
        .into_iter()
        .filter(|name| schemas.get(*name) != found.get(*name))
        .collect();
    assert!(
        differing.is_empty(),
        "out of date in man/schemas: {differing:?}\n\
         REPO_POOL_UPDATE=1 cargo test --lib schemas brings them up to date"
    );
}

/// Whether a key may be `null` is in the type; that it is in the schema too has to be said beside it.
#[test]
fn what_may_be_undetermined_may_be_null() {
    let sources = [
        include_str!("../domain/outcome.rs"),
        include_str!("../domain/outcome/details.rs"),
        include_str!("../domain/outcome/metrics.rs"),
        include_str!("../domain/outcome/rescue.rs"),
    ];
    let mut fields = 0;
    for source in sources {
        let lines: Vec<&str> = source.lines().collect();
        for pair in lines
            .windows(2)
            .filter(|pair| pair[1].contains(": Determined<"))
        {
            assert!(pair[0].contains("\"nullable\" = true"), "{}", pair[1]);
            fields += 1;
        }
    }
    assert!(fields > 10, "{fields} fields were found");

    let schemas = documents::all();
    let pool: Value = serde_json::from_str(&schemas["pool.json"]).expect("JSON");
    let type_of = |name: &str| &pool["$defs"]["SlotView"]["properties"][name]["type"];
    assert_eq!(*type_of("disk_usage_bytes"), json!(["integer", "null"]));
    assert_eq!(*type_of("allocation_id"), "string");
}
