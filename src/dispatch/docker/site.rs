//! Docker as such: whether it can be used here, and what earlier dispatchers have left there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::client::{Client, SURROUNDINGS};
use super::words::{ATTEMPT, BEGUN, RUN};
use crate::domain::Result;
use crate::domain::dispatch::agents::{Docker, Pull};
use crate::sys::process;

/// The variable that says which of docker's contexts counts.
const CONTEXT: &str = "DOCKER_CONTEXT";

/// The variables by which a daemon is found again, whatever is set or chosen by then: docker's current
/// context is a matter of the moment.
pub fn surroundings(settings: &Docker) -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), process::inherited(name)?));
    let mut found: BTreeMap<String, String> = SURROUNDINGS.iter().filter_map(set).collect();
    let says = |name| found.get(name).is_some_and(|value| !value.is_empty());
    if settings.host.is_none() && !says("DOCKER_HOST") && !says(CONTEXT) {
        let client = Client::new(settings, None);
        let words = ["context", "show"].map(str::to_owned);
        // A client that knows of no contexts has but one daemon.
        if let Ok(name) = client.ask(&words, client.patience()) {
            found.insert(CONTEXT.to_owned(), name.trim().to_owned());
        }
    }
    found
}

/// Why containers can't be run here and now; none if they can.
pub fn why_not(settings: &Docker) -> Option<String> {
    let client = Client::new(settings, None);
    let ask = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        client.ask(&words, client.patience())
    };
    if let Err(fault) = ask(&["version", "--format", "{{.Server.Version}}"]) {
        return Some(fault.reason());
    }
    let image = &settings.image;
    match ask(&["image", "inspect", "--format", "{{.Id}}", image]) {
        Ok(_) => None,
        Err(fault) if !fault.is_absence() => Some(fault.reason()),
        Err(_) => match settings.pull {
            Pull::Never => Some(format!(
                "docker has no image {image}, and `pull = \"never\"` lets none be fetched"
            )),
            // It is fetched when it is needed.
            Pull::Missing | Pull::Always => None,
        },
    }
}

/// Removes the containers of a run's attempts that were begun before a moment, but for those in `keep`,
/// which are seen to.
pub fn clear_away(
    settings: &Docker,
    surroundings: &BTreeMap<String, String>,
    run: &Path,
    keep: &[PathBuf],
    before: Timestamp,
) -> Result<()> {
    let client = Client::new(settings, Some(surroundings));
    let ask = |words: Vec<String>| client.ask(&words, client.patience());
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let list = [
        "ps".to_owned(),
        "--all".to_owned(),
        "--no-trunc".to_owned(),
        "--filter".to_owned(),
        format!("label={RUN}={name}"),
        "--format".to_owned(),
        format!("{{{{.ID}}}} {{{{.Label \"{BEGUN}\"}}}} {{{{.Label \"{ATTEMPT}\"}}}}"),
    ];
    let listed = ask(list.into())?;
    for line in listed.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(id), Some(begun), Some(attempt)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let attempt = Path::new(attempt);
        let is_old = begun.parse::<Timestamp>().is_ok_and(|begun| begun < before);
        // Another workspace may have a run of that name.
        if !is_old || !attempt.starts_with(run) || keep.iter().any(|keep| keep == attempt) {
            continue;
        }
        let words = ["rm", "--force", "--volumes", id].map(str::to_owned);
        match ask(words.into()) {
            Err(fault) if !fault.is_absence() => return Err(fault.into()),
            _ => {}
        }
    }
    Ok(())
}
