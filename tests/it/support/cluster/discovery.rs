//! What the server says of itself: its version, its resources, and that it checks fields.

use serde_json::{Value, json};

const JSON: &str = "application/json";
/// All groups at once, if the client takes that.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A resource: its name, its kind, whether it is in namespaces, its verbs.
type Resource = (&'static str, &'static str, bool, &'static [&'static str]);

const READ: &[&str] = &["get", "list"];
const ALL: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "watch",
];

/// Groups, each with its resources.
const GROUPS: [(&str, &[Resource]); 3] = [
    (
        "",
        &[
            ("namespaces", "Namespace", false, READ),
            ("pods", "Pod", true, ALL),
            ("pods/log", "Pod", true, &["get"]),
            ("events", "Event", true, ALL),
        ],
    ),
    ("batch", &[("jobs", "Job", true, ALL)]),
    (
        "authorization.k8s.io",
        &[(
            "selfsubjectaccessreviews",
            "SelfSubjectAccessReview",
            false,
            &["create"],
        )],
    ),
];

/// The kind of document and the document, if that is what is asked for.
pub fn answer(path: &[&str], accept: &str) -> Option<(&'static str, Value)> {
    let aggregated = accept.contains("g=apidiscovery.k8s.io;v=v2;");
    let document = match path {
        ["version"] => version(),
        ["api"] if aggregated => return Some((AGGREGATED, groups_at_once(true))),
        ["apis"] if aggregated => return Some((AGGREGATED, groups_at_once(false))),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
        ["apis"] => groups(),
        ["api", "v1"] => resources("")?,
        ["apis", group, "v1"] => resources(group)?,
        ["openapi", "v3"] => fields_index(),
        ["openapi", "v3", "apis", "batch", "v1"] => fields(),
        _ => return None,
    };
    Some((JSON, document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "32", "gitVersion": "v1.32.4", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2025-04-22T16:00:00Z", "goVersion": "go1.23", "compiler": "gc",
        "platform": "linux/amd64",
    })
}

fn group_version(group: &str) -> String {
    match group {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    }
}

fn groups() -> Value {
    let named = GROUPS.iter().filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = named
        .map(|(group, _)| {
            let version = json!({"groupVersion": group_version(group), "version": "v1"});
            json!({"name": group, "versions": [version], "preferredVersion": version})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(group: &str) -> Option<Value> {
    let (_, resources) = GROUPS.iter().find(|(name, _)| *name == group)?;
    let list: Vec<Value> = resources
        .iter()
        .map(|(name, kind, namespaced, verbs)| {
            json!({
                "name": name, "singularName": singular(name), "namespaced": namespaced,
                "kind": kind, "verbs": verbs,
            })
        })
        .collect();
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group),
        "resources": list,
    }))
}

fn groups_at_once(core: bool) -> Value {
    let wanted = GROUPS.iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = wanted
        .map(|(group, resources)| {
            let whole = resources.iter().filter(|(name, ..)| !name.contains('/'));
            let list: Vec<Value> = whole.map(|one| resource(group, one)).collect();
            json!({
                "metadata": {"name": group},
                "versions": [{"version": "v1", "resources": list, "freshness": "Current"}],
            })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items,
    })
}

fn resource(group: &str, (name, kind, namespaced, verbs): &Resource) -> Value {
    json!({
        "resource": name, "singularResource": singular(name), "verbs": verbs,
        "responseKind": {"group": group, "version": "v1", "kind": kind},
        "scope": if *namespaced { "Namespaced" } else { "Cluster" },
    })
}

fn singular(name: &str) -> &str {
    name.trim_end_matches('s')
}

fn fields_index() -> Value {
    let place = json!({"serverRelativeURL": "/openapi/v3/apis/batch/v1?hash=0"});
    json!({"paths": {"apis/batch/v1": place}})
}

/// That the server checks the fields of Jobs: clients that know this need no schema.
fn fields() -> Value {
    let patch = json!({
        "parameters": [{
            "name": "fieldValidation", "in": "query", "schema": {"type": "string"},
        }],
        "responses": {},
        "x-kubernetes-group-version-kind": {"group": "batch", "version": "v1", "kind": "Job"},
    });
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.32.4"},
        "paths": {"/apis/batch/v1/namespaces/{namespace}/jobs/{name}": {"patch": patch}},
    })
}
