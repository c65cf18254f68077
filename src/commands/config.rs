//! `config`: the effective settings, and whether the file is right; the settings of the original.

mod import;

use serde_json::{Map, Value, json};

use super::session::Session;
use crate::cli::ConfigCommand;
use crate::config::keys::{self, Kind};
use crate::config::{Effective, parse};
use crate::domain::Result;
use crate::domain::outcome::{ConfigChecked, ConfigPath, SettingView};
use crate::report::output::unless_closed;
use crate::report::tables;

/// Shows, checks or names the configuration.
pub fn run(session: &Session, command: &ConfigCommand) -> Result<u8> {
    match command {
        ConfigCommand::Show(args) => show(session, args.toml),
        ConfigCommand::Check => check(session),
        ConfigCommand::Path => path(session),
        ConfigCommand::Import(args) => import::run(session, args),
    }
}

fn show(session: &Session, toml: bool) -> Result<u8> {
    let config = session.config(&session.located()?)?;
    let flags = session.flags();
    let output = &session.output;
    if toml && !output.is_json() {
        unless_closed(output.data(config.to_toml(&flags)))?;
        return Ok(0);
    }
    let mut groups = vec![("defaults".to_owned(), config.explain(None, &flags))];
    for (name, _) in config.declared() {
        groups.push((format!("pools.{name}"), config.explain(Some(name), &flags)));
    }
    groups.push(("dispatch".to_owned(), config.explain_dispatch()));
    let agents = config.explain_agents().into_iter();
    groups.extend(agents.map(|(name, settings)| (format!("agent_pools.{name}"), settings)));
    if output.is_json() {
        let document: Map<String, Value> = groups
            .iter()
            .map(|(name, settings)| (name.clone(), as_json(settings)))
            .collect();
        unless_closed(output.json("result", &document))?;
        return Ok(0);
    }
    let rows: Vec<[String; 3]> = groups
        .iter()
        .flat_map(|(name, settings)| {
            settings.iter().map(move |setting| {
                let key = if name == "defaults" {
                    setting.key.to_owned()
                } else {
                    format!("{name}.{}", setting.key)
                };
                [key, setting.value.clone(), setting.origin.to_string()]
            })
        })
        .collect();
    unless_closed(output.text(&tables::settings(&rows, &output.layout())))?;
    Ok(0)
}

fn as_json(settings: &[Effective]) -> Value {
    let map: Map<String, Value> = settings
        .iter()
        .map(|setting| {
            let shown = json!(SettingView {
                value: value_of(setting),
                origin: setting.origin.to_string(),
            });
            (setting.key.to_owned(), shown)
        })
        .collect();
    Value::Object(map)
}

/// The value as JSON has it: durations as seconds.
fn value_of(setting: &Effective) -> Value {
    let text = format!("value = {}", setting.value);
    let value = toml::from_str::<Map<String, Value>>(&text)
        .ok()
        .and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(setting.value.clone()));
    let is_duration =
        keys::all().any(|key| key.name == setting.key && matches!(key.kind, Kind::Duration { .. }));
    match value.as_str().filter(|_| is_duration).map(parse::duration) {
        Some(Ok(duration)) => json!(duration.as_secs_f64()),
        _ => value,
    }
}

fn check(session: &Session) -> Result<u8> {
    let config = session.config(&session.located()?)?;
    let file = config.file().display().to_string();
    let pools = config.declared().count();
    if session.output.is_json() {
        let result = ConfigChecked {
            config: file,
            exists: config.file_exists(),
            pools: pools as u64,
        };
        unless_closed(session.output.json("result", &result))?;
        return Ok(0);
    }
    session.output.note(&match config.file_exists() {
        true => format!(
            "{file} is right; it declares {}",
            crate::report::human::count(pools as u64, "pool")
        ),
        false => format!("there is no {file}; the defaults hold"),
    });
    Ok(0)
}

fn path(session: &Session) -> Result<u8> {
    let (file, _) = session.config_file(&session.located()?);
    let file = std::path::absolute(&file).unwrap_or(file);
    let file = file.display().to_string();
    unless_closed(match session.output.is_json() {
        true => session.output.json("result", &ConfigPath { config: file }),
        false => session.output.data(file),
    })?;
    Ok(0)
}
