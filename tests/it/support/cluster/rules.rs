//! What an API server refuses in a Job: unknown fields, wrong types, names and values that are not allowed.

use super::api::Refusal;
use super::container::{list, text};
use super::shape;
use serde_json::Value;
use std::collections::BTreeSet;

/// The largest object that is stored.
const LARGEST: usize = 1 << 20;

/// Checks a Job; with `strict` what the server does not know is refused, otherwise it is dropped.
pub fn check(job: &Value, strict: bool) -> Result<(), Refusal> {
    let refuse = |message: String| Err((400, "BadRequest", message));
    let kind = (job["apiVersion"].as_str(), job["kind"].as_str());
    if kind != (Some("batch/v1"), Some("Job")) {
        return refuse(format!("{kind:?} is no Job of batch/v1"));
    }
    let (wrong, unknown) = shape::misfits(job);
    if let Some(wrong) = wrong.first() {
        return refuse(format!(
            "Job in version \"v1\" cannot be handled as a Job: json: cannot unmarshal {wrong}"
        ));
    }
    if strict && !unknown.is_empty() {
        return refuse(format!(
            "Job in version \"v1\" cannot be handled as a Job: strict decoding error: {}",
            unknown.join(", ")
        ));
    }
    if job.to_string().len() > LARGEST {
        return Err((
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 1 MiB".into(),
        ));
    }
    let mut found = Vec::new();
    metadata(job, &mut found);
    pod(&job["spec"]["template"], &mut found);
    if found.is_empty() {
        return Ok(());
    }
    let name = text(&job["metadata"]["name"]);
    let message = format!("Job.batch \"{name}\" is invalid: {}", found.join(", "));
    Err((422, "Invalid", message))
}

fn metadata(job: &Value, found: &mut Vec<String>) {
    let meta = &job["metadata"];
    let name = text(&meta["name"]);
    if !is_label(&name) {
        found.push(format!(
            "metadata.name: Invalid value: {name:?}: must be a label of RFC 1123"
        ));
    }
    for (at, meta) in [
        ("metadata", meta),
        ("spec.template", &job["spec"]["template"]["metadata"]),
    ] {
        for (key, value) in meta["labels"].as_object().into_iter().flatten() {
            if !is_key(key) || !is_label_value(&text(value)) {
                found.push(format!("{at}.labels: Invalid value: {key:?}: {value}"));
            }
        }
        let annotations = meta["annotations"].as_object().into_iter().flatten();
        let mut size = 0;
        for (key, value) in annotations {
            size += key.len() + text(value).len();
            if !is_key(key) {
                found.push(format!("{at}.annotations: Invalid value: {key:?}"));
            }
        }
        if size > 256 << 10 {
            found.push(format!(
                "{at}.annotations: Too long: may not be more than 262144 bytes"
            ));
        }
    }
}

fn pod(template: &Value, found: &mut Vec<String>) {
    let spec = &template["spec"];
    if !matches!(spec["restartPolicy"].as_str(), Some("Never" | "OnFailure")) {
        let value = &spec["restartPolicy"];
        found.push(format!(
            "spec.template.spec.restartPolicy: Unsupported value: {value}"
        ));
    }
    if list(&spec["containers"]).next().is_none() {
        found.push("spec.template.spec.containers: Required value".into());
    }
    let mut volumes = BTreeSet::new();
    for volume in list(&spec["volumes"]) {
        let name = text(&volume["name"]);
        let kinds = volume.as_object().map_or(0, |fields| fields.len()) - 1;
        if !is_label(&name) || !volumes.insert(name) || kinds != 1 {
            found.push(format!(
                "spec.template.spec.volumes: Invalid value: {volume}"
            ));
        }
    }
    let mut names = BTreeSet::new();
    for one in list(&spec["initContainers"]).chain(list(&spec["containers"])) {
        if !names.insert(text(&one["name"])) {
            found.push(format!(
                "spec.template.spec.containers: Duplicate value: {}",
                one["name"]
            ));
        }
        container(one, &volumes, found);
    }
}

fn container(one: &Value, volumes: &BTreeSet<String>, found: &mut Vec<String>) {
    let at = "spec.template.spec.containers";
    if !is_label(&text(&one["name"])) {
        found.push(format!("{at}.name: Invalid value: {}", one["name"]));
    }
    if text(&one["image"]).is_empty() {
        found.push(format!("{at}.image: Required value"));
    }
    for variable in list(&one["env"]) {
        let name = text(&variable["name"]);
        let plain = |c: char| c.is_ascii_graphic() && c != '=';
        if name.is_empty() || !name.chars().all(plain) {
            found.push(format!("{at}.env.name: Invalid value: {name:?}"));
        }
        if variable["value"].is_string() && variable["valueFrom"].is_object() {
            found.push(format!(
                "{at}.env: {name}: may not have both value and valueFrom"
            ));
        }
    }
    let mut places = BTreeSet::new();
    for mount in list(&one["volumeMounts"]) {
        if !volumes.contains(&text(&mount["name"])) {
            found.push(format!("{at}.volumeMounts: Not found: {}", mount["name"]));
        }
        let place = text(&mount["mountPath"]);
        if place.is_empty() || place.contains(':') || !places.insert(place.clone()) {
            found.push(format!(
                "{at}.volumeMounts.mountPath: Invalid value: {place:?}"
            ));
        }
    }
    for (of, amounts) in one["resources"].as_object().into_iter().flatten() {
        for (name, amount) in amounts.as_object().into_iter().flatten() {
            if quantity(&text(amount)).is_none() {
                found.push(format!(
                    "{at}.resources.{of}.{name}: Invalid value: {amount}"
                ));
            }
        }
    }
    for (name, request) in one["resources"]["requests"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let limit = quantity(&text(&one["resources"]["limits"][name]));
        let request = quantity(&text(request));
        if limit
            .zip(request)
            .is_some_and(|(limit, request)| request > limit)
        {
            found.push(format!(
                "{at}.resources.requests.{name}: must be less than its limit"
            ));
        }
    }
}

/// An amount such as `500m`, `2Gi` or `1`.
fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let factor = match &text[end..] {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = text[..end].parse().ok()?;
    (number >= 0.0).then_some(number * factor)
}

fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| plain(c) || c == '-')
        && text.starts_with(plain)
        && text.ends_with(plain)
}

fn is_label_value(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.chars().all(|c| plain(c) || "-_.".contains(c))
            && text.starts_with(plain)
            && text.ends_with(plain))
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("x", text));
    let prefix_fits = prefix.len() <= 253 && prefix.split('.').all(is_label);
    prefix_fits && !name.is_empty() && is_label_value(name)
}
