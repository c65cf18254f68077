//! The commented `pools.toml` that a new workspace gets, made from the key table.

use super::keys::{KEYS, Key, Place, in_table, is_for};

const HEAD: &str = "\
# Pools of this workspace, and their settings.
#
# Order: flag, environment variable, the pool's table, [defaults], built in.
# `repo-pool config show` prints what counts and where it comes from;
# `repo-pool config check` says what is wrong with this file;
# `repo-pool apply` makes the pools that it declares (`--dry-run` says what would be done).
# Durations are \"30s\", \"1h 30m\" or plain seconds; sizes are \"10G\", \"512M\" or bytes.
# Lines that begin with '#' and a letter or '[' are settings: take the '#' away to use one.

";

/// The text of a `pools.toml` that changes nothing and explains every key.
pub fn template() -> String {
    let mut text = String::from(HEAD);
    text.push_str("[defaults]\n");
    let defaults = KEYS.iter().filter(|key| key.place != Place::Pool);
    for (key, value) in defaults.filter_map(|key| Some((key, key.default?))) {
        entry(&mut text, key, value);
    }
    text.push_str(
        "\n# A pool; every other key but those about the workspace may stand here too.\n",
    );
    text.push_str("#[pools.my-project]\n");
    for (key, value) in KEYS.iter().filter_map(|key| Some((key, key.example?))) {
        entry(&mut text, key, value);
    }
    text.push_str(
        "\n# What holds for runs of the dispatcher (`repo-pool dispatch`).\n#[dispatch]\n",
    );
    for key in in_table(Place::Dispatch) {
        entry(
            &mut text,
            key,
            key.default.or(key.example).unwrap_or_default(),
        );
    }
    text.push_str(
        "\n# An agent pool: where runners run. Without any there is `local`, with a runner per core.\n\
         #[agent_pools.local]\n",
    );
    agents(&mut text, |key| is_for(key.name, "local-process"));
    for (name, engine) in [
        ("docker", "docker"),
        ("k8s", "kubernetes"),
        ("slurm", "exec"),
    ] {
        text.push_str(&format!(
            "\n# Another, with what only agent pools of such types have.\n\
             #[agent_pools.{name}]\n#type = {engine:?}\n"
        ));
        agents(&mut text, |key| {
            is_for(key.name, engine) && !is_for(key.name, "local-process")
        });
    }
    text
}

fn agents(text: &mut String, has: impl Fn(&Key) -> bool) {
    for key in in_table(Place::AgentPool).filter(|key| has(key)) {
        entry(text, key, key.example.unwrap_or_default());
    }
}

fn entry(text: &mut String, key: &Key, value: &str) {
    text.push_str(&format!("# {}\n#{} = {value}\n", key.doc, key.name));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Environment, Flags, Settings};
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("pools.toml"), Environment::default()).unwrap()
    }

    #[test]
    fn the_template_changes_nothing() {
        let config = parse(&template());
        assert_eq!(config.declared().count(), 0);
        assert_eq!(
            config.settings(None, &Flags::default()),
            Settings::default()
        );
    }

    #[test]
    fn the_template_is_right_where_its_comments_are_taken_away() {
        let text: Vec<String> = template()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '[') => rest,
                _ => line,
            })
            .map(String::from)
            .collect();
        let config = parse(&text.join("\n"));
        assert_eq!(
            config.settings(None, &Flags::default()),
            Settings::default()
        );
        let pool = config.settings(Some("my-project"), &Flags::default());
        assert_eq!((pool.num_slots, pool.max_slots), (3, Some(8)));
        assert_eq!(pool.base.as_deref(), Some("main"));
        assert_eq!(pool.keep, ["node_modules/", "target/"]);
        assert_eq!(config.rules().skill_mapping["default"], ["local"]);
        assert_eq!(config.agent_pools(3).len(), 4);
        for key in crate::config::keys::all() {
            let line = format!("{} = ", key.name);
            assert!(text.iter().any(|l| l.starts_with(&line)), "{}", key.name);
        }
    }
}
