//! The fields of a Job, those that its users write; each with what it holds.

use serde_json::Value;

/// An object's name and its fields with their kinds: `s`tring, `i`nteger, `b`oolean, `m`ap of strings,
/// `?` anything, the name of an object; `[]` before one for a list.
type Object = (&'static str, &'static [(&'static str, &'static str)]);

const OBJECTS: [Object; 21] = [
    (
        "Job",
        &[
            ("apiVersion", "s"),
            ("kind", "s"),
            ("metadata", "Meta"),
            ("spec", "JobSpec"),
            ("status", "?"),
        ],
    ),
    (
        "Meta",
        &[
            ("name", "s"),
            ("namespace", "s"),
            ("labels", "m"),
            ("annotations", "m"),
            ("generateName", "s"),
            ("creationTimestamp", "?"),
            ("finalizers", "[]s"),
            ("ownerReferences", "?"),
        ],
    ),
    (
        "JobSpec",
        &[
            ("activeDeadlineSeconds", "i"),
            ("backoffLimit", "i"),
            ("backoffLimitPerIndex", "i"),
            ("completionMode", "s"),
            ("completions", "i"),
            ("managedBy", "s"),
            ("manualSelector", "b"),
            ("maxFailedIndexes", "i"),
            ("parallelism", "i"),
            ("podFailurePolicy", "?"),
            ("podReplacementPolicy", "s"),
            ("selector", "?"),
            ("successPolicy", "?"),
            ("suspend", "b"),
            ("template", "Template"),
            ("ttlSecondsAfterFinished", "i"),
        ],
    ),
    ("Template", &[("metadata", "Meta"), ("spec", "PodSpec")]),
    (
        "PodSpec",
        &[
            ("activeDeadlineSeconds", "i"),
            ("affinity", "?"),
            ("automountServiceAccountToken", "b"),
            ("containers", "[]Container"),
            ("dnsConfig", "?"),
            ("dnsPolicy", "s"),
            ("enableServiceLinks", "b"),
            ("ephemeralContainers", "?"),
            ("hostAliases", "?"),
            ("hostIPC", "b"),
            ("hostNetwork", "b"),
            ("hostPID", "b"),
            ("hostUsers", "b"),
            ("hostname", "s"),
            ("imagePullSecrets", "?"),
            ("initContainers", "[]Container"),
            ("nodeName", "s"),
            ("nodeSelector", "m"),
            ("os", "?"),
            ("overhead", "m"),
            ("preemptionPolicy", "s"),
            ("priority", "i"),
            ("priorityClassName", "s"),
            ("readinessGates", "?"),
            ("resourceClaims", "?"),
            ("resources", "Resources"),
            ("restartPolicy", "s"),
            ("runtimeClassName", "s"),
            ("schedulerName", "s"),
            ("schedulingGates", "?"),
            ("securityContext", "PodSecurity"),
            ("serviceAccount", "s"),
            ("serviceAccountName", "s"),
            ("setHostnameAsFQDN", "b"),
            ("shareProcessNamespace", "b"),
            ("subdomain", "s"),
            ("terminationGracePeriodSeconds", "i"),
            ("tolerations", "?"),
            ("topologySpreadConstraints", "?"),
            ("volumes", "[]Volume"),
        ],
    ),
    (
        "Container",
        &[
            ("args", "[]s"),
            ("command", "[]s"),
            ("env", "[]Env"),
            ("envFrom", "[]EnvFrom"),
            ("image", "s"),
            ("imagePullPolicy", "s"),
            ("lifecycle", "?"),
            ("livenessProbe", "?"),
            ("name", "s"),
            ("ports", "?"),
            ("readinessProbe", "?"),
            ("resizePolicy", "?"),
            ("resources", "Resources"),
            ("restartPolicy", "s"),
            ("securityContext", "Security"),
            ("startupProbe", "?"),
            ("stdin", "b"),
            ("stdinOnce", "b"),
            ("terminationMessagePath", "s"),
            ("terminationMessagePolicy", "s"),
            ("tty", "b"),
            ("volumeDevices", "?"),
            ("volumeMounts", "[]Mount"),
            ("workingDir", "s"),
        ],
    ),
    (
        "Env",
        &[("name", "s"), ("value", "s"), ("valueFrom", "ValueFrom")],
    ),
    (
        "ValueFrom",
        &[
            ("secretKeyRef", "KeyRef"),
            ("configMapKeyRef", "KeyRef"),
            ("fieldRef", "FieldRef"),
            ("resourceFieldRef", "?"),
        ],
    ),
    ("KeyRef", &[("name", "s"), ("key", "s"), ("optional", "b")]),
    ("FieldRef", &[("apiVersion", "s"), ("fieldPath", "s")]),
    (
        "EnvFrom",
        &[
            ("prefix", "s"),
            ("secretRef", "NameRef"),
            ("configMapRef", "NameRef"),
        ],
    ),
    ("NameRef", &[("name", "s"), ("optional", "b")]),
    (
        "Resources",
        &[("limits", "m"), ("requests", "m"), ("claims", "?")],
    ),
    (
        "Mount",
        &[
            ("name", "s"),
            ("mountPath", "s"),
            ("mountPropagation", "s"),
            ("readOnly", "b"),
            ("recursiveReadOnly", "s"),
            ("subPath", "s"),
            ("subPathExpr", "s"),
        ],
    ),
    (
        "Volume",
        &[
            ("name", "s"),
            ("hostPath", "HostPath"),
            ("emptyDir", "EmptyDir"),
            ("secret", "Secret"),
            ("configMap", "?"),
            ("persistentVolumeClaim", "?"),
            ("projected", "?"),
            ("downwardAPI", "?"),
            ("csi", "?"),
            ("ephemeral", "?"),
            ("nfs", "?"),
            ("image", "?"),
        ],
    ),
    ("HostPath", &[("path", "s"), ("type", "s")]),
    ("EmptyDir", &[("medium", "s"), ("sizeLimit", "s")]),
    (
        "Secret",
        &[
            ("secretName", "s"),
            ("optional", "b"),
            ("defaultMode", "i"),
            ("items", "[]Item"),
        ],
    ),
    ("Item", &[("key", "s"), ("path", "s"), ("mode", "i")]),
    (
        "PodSecurity",
        &[
            ("runAsUser", "i"),
            ("runAsGroup", "i"),
            ("runAsNonRoot", "b"),
            ("fsGroup", "i"),
            ("fsGroupChangePolicy", "s"),
            ("supplementalGroups", "?"),
            ("supplementalGroupsPolicy", "s"),
            ("seccompProfile", "?"),
            ("appArmorProfile", "?"),
            ("seLinuxOptions", "?"),
            ("sysctls", "?"),
            ("windowsOptions", "?"),
            ("seLinuxChangePolicy", "s"),
        ],
    ),
    (
        "Security",
        &[
            ("runAsUser", "i"),
            ("runAsGroup", "i"),
            ("runAsNonRoot", "b"),
            ("privileged", "b"),
            ("allowPrivilegeEscalation", "b"),
            ("capabilities", "?"),
            ("procMount", "s"),
            ("readOnlyRootFilesystem", "b"),
            ("seccompProfile", "?"),
            ("appArmorProfile", "?"),
            ("seLinuxOptions", "?"),
            ("windowsOptions", "?"),
        ],
    ),
];

/// What does not fit in a Job: values of the wrong kind, and fields that there are not.
pub fn misfits(job: &Value) -> (Vec<String>, Vec<String>) {
    let mut found = Default::default();
    look(job, "Job", "", &mut found);
    found
}

fn look(value: &Value, kind: &str, at: &str, found: &mut (Vec<String>, Vec<String>)) {
    let fits = match kind {
        "s" => value.is_string(),
        "i" => value.is_i64() || value.is_u64(),
        "b" => value.is_boolean(),
        "m" => {
            let values = value.as_object().map(|all| all.values());
            values.is_some_and(|mut all| all.all(Value::is_string))
        }
        "?" => true,
        _ if kind.starts_with("[]") => value.is_array(),
        _ => value.is_object(),
    };
    if value.is_null() {
        return;
    }
    if !fits {
        found
            .0
            .push(format!("{value} into field {at} of type {kind}"));
        return;
    }
    if let Some(kind) = kind.strip_prefix("[]") {
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            look(value, kind, &format!("{at}[{index}]"), found);
        }
        return;
    }
    let Some((_, fields)) = OBJECTS.iter().find(|(name, _)| *name == kind) else {
        return;
    };
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        let at = at.trim_start_matches('.');
        match fields.iter().find(|(field, _)| field == name) {
            Some((_, kind)) => look(value, kind, at, found),
            None => found.1.push(format!("unknown field {at:?}")),
        }
    }
}
