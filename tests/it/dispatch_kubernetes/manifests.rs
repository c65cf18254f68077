//! The Jobs as they are really sent fit the schema that Kubernetes publishes.

use super::scene::Scene;
use crate::support::say;
use std::process::Command;

/// Those of all transports, with everything that settings and tasks can add.
#[test]
fn jobs_fit_the_published_schema() {
    let validator = Command::new("kubernetes-validate")
        .arg("--version")
        .output();
    if !validator.is_ok_and(|out| out.status.success()) {
        return say("kubernetes-validate is not installed");
    }
    let place = tempfile::tempdir().expect("a directory");
    let node = format!(
        "workspace = \"{}\"\nnode = \"n1\"",
        place.path().join("node").display()
    );
    for (transport, more) in [
        ("hostPath", ""),
        ("clone", "secrets = [\"env:a\"]"),
        ("node", &node),
    ] {
        let more = format!("{more}\njob_template = \"job.json\"");
        let Some(scene) = Scene::new(1, transport, &more) else {
            return;
        };
        scene.cluster.secret("a", "A", "b");
        let template = r#"{"metadata": {"labels": {"team": "a"}}, "spec": {"template": {"spec": {
            "tolerations": [{"key": "own", "operator": "Exists"}],
            "containers": [{"name": "runner", "imagePullPolicy": "IfNotPresent"}]}}}}"#;
        std::fs::write(scene.queue.world.workspace().join("job.json"), template).expect("writing");
        let more = "timeout = \"1h\"\ncpu = 0.5\nmemory = \"64M\"";
        scene.tasks(&[scene.task("Ä task: 1", "true", more)]);
        scene.queue.run("").run().ok();
        let manifest = scene.queue.path("manifest.json");
        let sent = scene.cluster.manifests()[0].to_string();
        std::fs::write(&manifest, &sent).expect("writing");
        let out = Command::new("kubernetes-validate")
            .arg("--strict")
            .arg(&manifest)
            .output();
        let out = out.expect("the validator");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{transport}: {said}\n{sent}");
    }
}
