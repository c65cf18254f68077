//! The API: which request does what.

use super::Shared;
use super::container::text;
use super::http::{Answer, Request};
use super::jobs;
use super::rules;
use super::select::selected;
use super::store::{Key, Kind, State};
use super::{discovery, streams};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

/// A refusal: its code, its reason, and what it says.
pub type Refusal = (u16, &'static str, String);

/// The document of a refusal.
pub fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// Answers a request.
pub fn answer(shared: &Arc<Shared>, request: &Request, answer: &mut Answer) -> io::Result<()> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    if let Some((kind, document)) = discovery::answer(&path, &request.accept) {
        return answer.whole(200, kind, document.to_string().as_bytes());
    }
    let is_read = request.method == "GET";
    let done = match path.as_slice() {
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] => Ok((201, review(shared, request))),
        ["api", "v1", "namespaces"] if is_read => Ok((200, namespaces(shared))),
        ["api", "v1", "namespaces", name] if is_read => one_namespace(shared, name),
        ["api", "v1", "namespaces", ns, "pods", name, "log"] if is_read => {
            match allowed(shared, "get", "pods", ns) {
                Ok(()) => return streams::log(shared, request, ns, name, answer),
                refused => refused.map(|()| (200, Value::Null)),
            }
        }
        ["api", "v1", "namespaces", ns, rest @ ..]
        | ["apis", "batch", "v1", "namespaces", ns, rest @ ..] => {
            objects(shared, request, ns, rest, answer).map(|done| done.unwrap_or_default())
        }
        ["api", "v1", rest @ ..] | ["apis", "batch", "v1", rest @ ..] => {
            objects(shared, request, "", rest, answer).map(|done| done.unwrap_or_default())
        }
        _ => Err(no_such(request)),
    };
    match done {
        Ok((0, _)) => Ok(()),
        Ok((code, document)) => answer.json(code, &document),
        Err((code, reason, message)) => answer.json(code, &failure(code, reason, &message)),
    }
}

/// A code and a document; the code is 0 if the answer is given already.
type Done = (u16, Value);

fn no_such(request: &Request) -> Refusal {
    let message = "the server could not find the requested resource";
    (404, "NotFound", format!("{message}: {}", request.line()))
}

/// Requests for Jobs, pods and events.
fn objects(
    shared: &Arc<Shared>,
    request: &Request,
    namespace: &str,
    rest: &[&str],
    answer: &mut Answer,
) -> Result<Option<Done>, Refusal> {
    let (resource, name) = match rest {
        [resource] => (*resource, ""),
        [resource, name] | [resource, name, "status"] => (*resource, *name),
        _ => return Err(no_such(request)),
    };
    let kind = Kind::of(resource).ok_or_else(|| no_such(request))?;
    let verb = match (request.method.as_str(), name) {
        ("GET", "") if request.is_asked("watch") => "watch",
        ("GET", "") => "list",
        ("GET", _) => "get",
        ("POST", "") => "create",
        ("DELETE", "") => "deletecollection",
        ("DELETE", _) => "delete",
        ("PATCH", _) => "patch",
        _ => return Err((405, "MethodNotAllowed", "there is no such verb".into())),
    };
    allowed(shared, verb, kind.resource(), namespace)?;
    let key = (kind, namespace.to_owned(), name.to_owned());
    let done = match verb {
        "watch" => {
            let _ = streams::watch(shared, request, kind, namespace, answer);
            return Ok(None);
        }
        "list" => (200, list(&shared.store.look(), request, kind, namespace)),
        "get" => (200, found(&shared.store.look(), &key)?),
        "create" => (201, create(shared, request, &key)?),
        "delete" => (200, delete(shared, request, &key)?),
        "patch" => (200, patch(shared, request, &key)?),
        _ => (200, delete_all(shared, request, kind, namespace)?),
    };
    Ok(Some(done))
}

fn allowed(shared: &Shared, verb: &str, resource: &str, namespace: &str) -> Result<(), Refusal> {
    let state = shared.store.look();
    if state.forbidden.contains(namespace) {
        let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
        let message = format!(
            "{resource} is forbidden: User \"tester\" cannot {verb} resource \"{name}\" in API group \
             \"{group}\" in the namespace \"{namespace}\""
        );
        return Err((403, "Forbidden", message));
    }
    if verb == "create" && !state.namespaces.contains(namespace) {
        let message = format!("namespaces \"{namespace}\" not found");
        return Err((404, "NotFound", message));
    }
    Ok(())
}

fn found(state: &State, key: &Key) -> Result<Value, Refusal> {
    let object = state.objects.get(key).cloned();
    object.ok_or_else(|| {
        let message = format!("{} \"{}\" not found", key.0.resource(), key.2);
        (404, "NotFound", message)
    })
}

fn list(state: &State, request: &Request, kind: Kind, namespace: &str) -> Value {
    let (labels, fields) = (
        request.asked("labelSelector"),
        request.asked("fieldSelector"),
    );
    let all = state.of(kind, namespace).map(|(_, object)| object);
    let items: Vec<&Value> = all.filter(|one| selected(one, labels, fields)).collect();
    let (name, api) = kind.names();
    json!({
        "kind": format!("{name}List"), "apiVersion": api, "items": items,
        "metadata": {"resourceVersion": state.version().to_string()},
    })
}

fn create(shared: &Arc<Shared>, request: &Request, key: &Key) -> Result<Value, Refusal> {
    if key.0 != Kind::Job {
        let message = format!("this cluster makes no {} for anybody", key.0.resource());
        return Err((405, "MethodNotAllowed", message));
    }
    let mut job: Value = serde_json::from_slice(&request.body)
        .map_err(|error| (400, "BadRequest", format!("the body is no JSON: {error}")))?;
    rules::check(&job, request.asked("fieldValidation") == "Strict")?;
    shared.note_manifest(&job);
    let name = text(&job["metadata"]["name"]);
    let key = (key.0, key.1.clone(), name);
    let named = job["metadata"]["namespace"].as_str();
    if named.is_some_and(|named| named != key.1) {
        let message = "the namespace of the provided object does not match the namespace sent on the \
             request";
        return Err((400, "BadRequest", message.into()));
    }
    shared.with(|state| {
        if state.objects.contains_key(&key) {
            let message = format!("jobs.batch \"{}\" already exists", key.2);
            return Err((409, "AlreadyExists", message));
        }
        if request.asked("dryRun") == "All" {
            jobs::complete(&mut job, "dry-run");
            return Ok(job);
        }
        jobs::complete(&mut job, "");
        let made = state.add(&key, job);
        let uid = text(&made["metadata"]["uid"]);
        state.change(&key, |job| jobs::complete(job, &uid));
        found(state, &key)
    })
}

fn delete(shared: &Arc<Shared>, request: &Request, key: &Key) -> Result<Value, Refusal> {
    let options = request.json();
    let grace = options["gracePeriodSeconds"].as_u64();
    let grace = grace.or_else(|| request.asked("gracePeriodSeconds").parse().ok());
    let asked = options["propagationPolicy"].as_str();
    let propagation = asked.unwrap_or(request.asked("propagationPolicy"));
    shared.with(|state| {
        let before = found(state, key)?;
        let wanted = options["preconditions"]["uid"].as_str();
        if wanted.is_some_and(|wanted| before["metadata"]["uid"] != wanted) {
            let message = "Precondition failed: UID in precondition does not match".to_owned();
            return Err((409, "Conflict", message));
        }
        match key.0 {
            Kind::Job => {
                // As the API has it for Jobs of batch/v1: who says nothing leaves the pods.
                let propagation = if propagation.is_empty() {
                    "Orphan"
                } else {
                    propagation
                };
                jobs::delete_job(state, key, propagation);
            }
            Kind::Pod => jobs::delete_pod(state, key, grace),
            Kind::Event => drop(state.remove(key)),
        }
        Ok(before)
    })
}

fn delete_all(
    shared: &Arc<Shared>,
    request: &Request,
    kind: Kind,
    namespace: &str,
) -> Result<Value, Refusal> {
    let all = list(&shared.store.look(), request, kind, namespace);
    for item in all["items"].as_array().into_iter().flatten() {
        let name = text(&item["metadata"]["name"]);
        delete(shared, request, &(kind, namespace.to_owned(), name))?;
    }
    Ok(all)
}

/// Merges what came into the object: enough for labels, annotations and `suspend`.
fn patch(shared: &Arc<Shared>, request: &Request, key: &Key) -> Result<Value, Refusal> {
    let patch = request.json();
    shared.with(|state| {
        found(state, key)?;
        state.change(key, |object| merge(object, &patch));
        found(state, key)
    })
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        return patch.clone_into(into);
    };
    for (name, value) in patch {
        match (value, into.as_object_mut()) {
            (Value::Null, Some(object)) => drop(object.remove(name)),
            _ => merge(&mut into[name], value),
        }
    }
}

/// Whether the asker may do something in a namespace: anything, unless all is forbidden there.
fn review(shared: &Shared, request: &Request) -> Value {
    let mut review = request.json();
    let namespace = text(&review["spec"]["resourceAttributes"]["namespace"]);
    // Newer clients write this in another format than JSON: there it is tag, length, text.
    let is_named = |closed: &String| {
        let field = [b"\x0a", &[closed.len() as u8][..], closed.as_bytes()].concat();
        namespace == *closed || request.body.windows(field.len()).any(|part| part == field)
    };
    let allowed = !shared.store.look().forbidden.iter().any(is_named);
    review["kind"] = json!("SelfSubjectAccessReview");
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    review["status"] = json!({"allowed": allowed});
    review
}

fn namespace(name: &str) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name},
        "status": {"phase": "Active"},
    })
}

fn namespaces(shared: &Shared) -> Value {
    let all = shared.store.look().namespaces.clone();
    let items: Vec<Value> = all.iter().map(|name| namespace(name)).collect();
    json!({"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": items})
}

fn one_namespace(shared: &Shared, name: &str) -> Result<Done, Refusal> {
    allowed(shared, "get", "namespaces", name)?;
    match shared.store.look().namespaces.contains(name) {
        true => Ok((200, namespace(name))),
        false => Err((404, "NotFound", format!("namespaces \"{name}\" not found"))),
    }
}
