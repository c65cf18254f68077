//! The settings of an agent pool of type "kubernetes".

use std::path::PathBuf;

use super::Values;
use crate::domain::dispatch::agents::{Kubernetes, Transport};

impl Values<'_> {
    pub(super) fn kubernetes(&self, beside: &dyn Fn(&str) -> PathBuf) -> Kubernetes {
        let standard = Kubernetes::default();
        let transport = self.text("transport");
        let transport = transport.and_then(|word| Transport::of(&word));
        let duration = |name, otherwise| self.duration(name).unwrap_or(otherwise);
        Kubernetes {
            image: self.text("image"),
            namespace: self.text("namespace"),
            context: self.text("context"),
            kubeconfig: self.text("kubeconfig").map(|path| beside(&path)),
            job_template: self.text("job_template").map(|path| beside(&path)),
            secrets: self.list("secrets").unwrap_or_default(),
            transport: transport.unwrap_or_default(),
            node: self.text("node"),
            workspace: self.text("workspace").map(PathBuf::from),
            pending_timeout: duration("pending_timeout", standard.pending_timeout),
            watch_interval: duration("watch_interval", standard.watch_interval),
        }
    }
}
