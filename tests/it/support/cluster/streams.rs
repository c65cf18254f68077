//! Answers that go on: what a container prints, and the changes of objects.

use super::Shared;
use super::api::failure;
use super::container::{list, text};
use super::http::{Answer, Request};
use super::select::selected;
use super::store::{Change, Kind, Log, State, is_over};
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

/// A container's output, so far or to its end.
pub fn log(
    shared: &Shared,
    request: &Request,
    namespace: &str,
    name: &str,
    answer: &mut Answer,
) -> io::Result<()> {
    let key = (Kind::Pod, namespace.to_owned(), name.to_owned());
    let Some(pod) = shared.store.look().objects.get(&key).cloned() else {
        let message = format!("pods \"{name}\" not found");
        return answer.json(404, &failure(404, "NotFound", &message));
    };
    let container = match request.asked("container") {
        "" => text(&pod["spec"]["containers"][0]["name"]),
        named => named.to_owned(),
    };
    let log = (text(&pod["metadata"]["uid"]), container.clone());
    if !shared.store.look().logs.contains_key(&log) && !is_over(&pod) {
        let statuses = list(&pod["status"]["containerStatuses"]);
        let mut statuses = statuses.filter(|one| one["name"] == container.as_str());
        let status = statuses.next().unwrap_or(&Value::Null);
        if !status["state"]["running"].is_object() {
            let reason = status["state"]["waiting"]["reason"].as_str();
            let reason = reason.unwrap_or("ContainerCreating");
            let message = format!(
                "container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"
            );
            return answer.json(400, &failure(400, "BadRequest", &message));
        }
    }
    answer.begin("text/plain")?;
    let mut sent = 0;
    let mut left = request.asked("limitBytes").parse().unwrap_or(usize::MAX);
    loop {
        let follows = request.is_asked("follow");
        let piece = shared.store.wait(None, |state| {
            let none = Log {
                lines: Vec::new(),
                ended: is_over(&pod),
            };
            let log = state.logs.get(&log).unwrap_or(&none);
            let bytes = lines(log, request);
            let ends = log.ended || !follows || state.over;
            (bytes.len() > sent || ends).then(|| (bytes[sent.min(bytes.len())..].to_vec(), ends))
        });
        let (piece, ends) = piece.expect("more or the end");
        let piece = &piece[..piece.len().min(left)];
        answer.piece(piece)?;
        sent += piece.len();
        left -= piece.len();
        if ends || left == 0 {
            return answer.end();
        }
    }
}

/// The lines that are asked for.
fn lines(log: &Log, request: &Request) -> Vec<u8> {
    let since = match (request.asked("sinceTime"), request.asked("sinceSeconds")) {
        ("", "") => None,
        ("", seconds) => seconds
            .parse()
            .ok()
            .map(|seconds| jiff::Timestamp::now() - Duration::from_secs(seconds)),
        (time, _) => time.parse().ok(),
    };
    let wanted = log.lines.iter();
    let wanted = wanted.filter(|(time, _)| since.is_none_or(|since| *time >= since));
    let lines: Vec<Vec<u8>> = wanted
        .map(|(time, line)| match request.is_asked("timestamps") {
            true => [format!("{time} ").as_bytes(), line].concat(),
            false => line.clone(),
        })
        .collect();
    let last: usize = request.asked("tailLines").parse().unwrap_or(lines.len());
    lines[lines.len().saturating_sub(last)..].concat()
}

/// The changes from a version on.
pub fn watch(
    shared: &Shared,
    request: &Request,
    kind: Kind,
    namespace: &str,
    answer: &mut Answer,
) -> io::Result<()> {
    let seconds = request.asked("timeoutSeconds").parse().unwrap_or(3600);
    let until = Instant::now() + Duration::from_secs(seconds);
    let is_selected = |object: &Value| {
        let (labels, fields) = (
            request.asked("labelSelector"),
            request.asked("fieldSelector"),
        );
        selected(object, labels, fields)
    };
    let version = request.asked("resourceVersion");
    let whole = matches!(version, "" | "0") || request.is_asked("sendInitialEvents");
    let (mut seen, now) = {
        let state = shared.store.look();
        let all = state.of(kind, namespace).map(|(_, object)| object.clone());
        let all: Vec<Value> = all.filter(|object| whole && is_selected(object)).collect();
        let from = if whole {
            state.version()
        } else {
            version.parse().unwrap_or_default()
        };
        (from, all)
    };
    answer.begin("application/json")?;
    for object in now {
        answer.piece(&event("ADDED", &object))?;
    }
    if request.is_asked("sendInitialEvents") {
        let (name, api) = kind.names();
        let meta = json!({
            "resourceVersion": seen.to_string(),
            "annotations": {"k8s.io/initial-events-end": "true"},
        });
        let bookmark = json!({"kind": name, "apiVersion": api, "metadata": meta});
        answer.piece(&event("BOOKMARK", &bookmark))?;
    }
    loop {
        let news = shared.store.wait(Some(until), |state| {
            let news = news(state, kind, namespace, seen);
            (!news.is_empty() || state.over).then_some(news)
        });
        let Some(news) = news.filter(|news| !news.is_empty()) else {
            return answer.end();
        };
        for change in news {
            seen = change.version;
            if is_selected(&change.object) {
                answer.piece(&event(change.what, &change.object))?;
            }
        }
    }
}

fn event(what: &str, object: &Value) -> Vec<u8> {
    let line = json!({"type": what, "object": object});
    (line.to_string() + "\n").into_bytes()
}

fn news(state: &State, kind: Kind, namespace: &str, seen: u64) -> Vec<Change> {
    let news = state.history.iter().rev();
    let news = news.take_while(|change| change.version > seen);
    let news = news.filter(|change| {
        change.key.0 == kind && (namespace.is_empty() || change.key.1 == namespace)
    });
    let mut news: Vec<Change> = news.cloned().collect();
    news.reverse();
    news
}
