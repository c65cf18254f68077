//! The effective settings, typed, and the flags that stand above all else.

use std::time::Duration;

use super::value::Value;
use crate::domain::pool::Strategy;
use crate::domain::ports::PortRange;

/// What allocating does when the remote can't be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFetchFailure {
    /// It fails.
    #[default]
    Error,
    /// It goes on from the last fetch, with a warning.
    UseCache,
}

/// Which unlanded work is saved before a slot is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rescue {
    /// Commits and uncommitted changes.
    #[default]
    All,
    /// Commits only.
    Commits,
    /// Nothing.
    Off,
}

/// Whether the submodules of slots are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Submodules {
    /// They are left to who works there.
    #[default]
    Off,
    /// Those of the repository itself.
    On,
    /// And those of submodules.
    Recursive,
}

/// Every setting with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Slots a pool is made with.
    pub num_slots: u32,
    /// How many slots a pool may grow to, never less than `num_slots`; `None` when nobody said.
    pub max_slots: Option<u32>,
    /// How slots share the repository.
    pub strategy: Strategy,
    /// The base branch; `None` follows the remote's HEAD.
    pub base: Option<String>,
    /// Which contents of files a pool is made without, as git writes a filter.
    pub filter: Option<String>,
    /// How many commits of each branch a pool is made with; `None` for all.
    pub depth: Option<u32>,
    /// The directories that slots have; none means everything.
    pub sparse: Vec<String>,
    /// Whether slots have the contents of files that git-lfs keeps, and not pointers to them.
    pub lfs: bool,
    /// Whether the submodules of slots are filled.
    pub submodules: Submodules,
    /// Patterns of ignored paths that cleaning leaves.
    pub keep: Vec<String>,
    /// How much of that may stay in a slot, in bytes.
    pub keep_limit: u64,
    /// Paths of the pool's own folder that every slot has.
    pub copy: Vec<String>,
    /// What makes a slot ready to work in, for `sh`.
    pub setup: Option<String>,
    /// Paths of the repository that the set-up depends on.
    pub setup_inputs: Vec<String>,
    /// How long the set-up may take.
    pub setup_timeout: Duration,
    /// What runs in a slot before it is cleaned at release, for `sh`.
    pub on_release: Option<String>,
    /// How long to wait for a lock.
    pub lock_timeout: Duration,
    /// How long one cleaning may take.
    pub cleanup_timeout: Duration,
    /// How long clone or fetch may go on without any progress.
    pub git_timeout: Duration,
    /// Allocations older than this are reported.
    pub stale_after: Duration,
    /// Whether allocating fetches.
    pub fetch_on_allocate: bool,
    /// A fetch this fresh is good enough; zero always fetches.
    pub fetch_max_age: Duration,
    /// What follows a failed fetch.
    pub on_fetch_failure: OnFetchFailure,
    /// Whether releasing cleans.
    pub clean_on_release: bool,
    /// Whether a process of its own cleans.
    pub background_cleanup: bool,
    /// Which unlanded work is saved.
    pub rescue: Rescue,
    /// How long saved work is kept; `None` for ever.
    pub rescue_expire: Option<Duration>,
    /// How much the trash may hold, in bytes.
    pub trash_limit: u64,
    /// Whether `warm` without arguments is meant for the pool.
    pub warmup_enabled: bool,
    /// How many things are done at once; 0 as many as there are cores.
    pub jobs: usize,
    /// Whether allocation times are recorded.
    pub enable_metrics: bool,
    /// Where slots have their ports.
    pub ports: PortRange,
    /// How many each has; none for 0.
    pub ports_per_slot: u16,
    /// Whether the workspace may lie on a network file system.
    pub allow_network_filesystem: bool,
}

impl Settings {
    /// Fills every field from `value`, which answers by key.
    ///
    /// `value` must know every key that has a default and answer in the type of the key table;
    /// what the file and the environment say was checked against it when it was read.
    pub(super) fn from_values(value: impl Fn(&str) -> Option<Value>) -> Self {
        let duration = |key| match value(key) {
            Some(Value::Duration(duration)) => duration,
            other => mismatch(key, &other),
        };
        let flag = |key| match value(key) {
            Some(Value::Bool(flag)) => flag,
            other => mismatch(key, &other),
        };
        let count = |key| match value(key) {
            Some(Value::Count(count)) => Some(count),
            None => None,
            other => mismatch(key, &other),
        };
        let text = |key| match value(key) {
            Some(Value::Text(text)) => Some(text),
            None => None,
            other => mismatch(key, &other),
        };
        let list = |key| match value(key) {
            Some(Value::List(texts)) => texts,
            other => mismatch(key, &other),
        };
        let size = |key| match value(key) {
            Some(Value::Size(bytes)) => bytes,
            other => mismatch(key, &other),
        };
        Self {
            num_slots: count("num_slots").unwrap_or_else(|| mismatch("num_slots", &None)),
            max_slots: count("max_slots"),
            strategy: text("strategy")
                .and_then(|word| Strategy::from_word(&word))
                .unwrap_or_default(),
            base: text("base"),
            filter: text("filter"),
            depth: count("depth"),
            sparse: list("sparse"),
            lfs: flag("lfs"),
            submodules: match value("submodules") {
                Some(Value::Bool(false)) => Submodules::Off,
                Some(Value::Bool(true)) => Submodules::On,
                Some(Value::Text(_)) => Submodules::Recursive,
                other => mismatch("submodules", &other),
            },
            keep: list("keep"),
            keep_limit: size("keep_limit"),
            copy: list("copy"),
            setup: text("setup"),
            setup_inputs: list("setup_inputs"),
            setup_timeout: duration("setup_timeout"),
            on_release: text("on_release"),
            lock_timeout: duration("lock_timeout"),
            cleanup_timeout: duration("cleanup_timeout"),
            git_timeout: duration("git_timeout"),
            stale_after: duration("stale_after"),
            fetch_on_allocate: flag("fetch_on_allocate"),
            fetch_max_age: duration("fetch_max_age"),
            on_fetch_failure: match text("on_fetch_failure").as_deref() {
                Some("use-cache") => OnFetchFailure::UseCache,
                _ => OnFetchFailure::Error,
            },
            clean_on_release: flag("clean_on_release"),
            background_cleanup: flag("background_cleanup"),
            rescue: match text("rescue").as_deref() {
                Some("commits") => Rescue::Commits,
                Some("off") => Rescue::Off,
                _ => Rescue::All,
            },
            rescue_expire: match value("rescue_expire") {
                Some(Value::Duration(duration)) => Some(duration),
                Some(Value::Never) => None,
                other => mismatch("rescue_expire", &other),
            },
            trash_limit: size("trash_limit"),
            warmup_enabled: flag("warmup_enabled"),
            jobs: count("jobs").map_or(0, |jobs| jobs as usize),
            enable_metrics: flag("enable_metrics"),
            ports: text("ports")
                .and_then(|text| PortRange::parse(&text).ok())
                .unwrap_or_else(|| mismatch("ports", &None)),
            ports_per_slot: count("ports_per_slot")
                .and_then(|count| u16::try_from(count).ok())
                .unwrap_or_else(|| mismatch("ports_per_slot", &None)),
            allow_network_filesystem: flag("allow_network_filesystem"),
        }
    }
}

impl Default for Settings {
    /// The built-in values.
    fn default() -> Self {
        Self::from_values(super::keys::built_in)
    }
}

/// The key table and this struct disagree: a mistake in the program, which the tests would show.
fn mismatch(key: &str, value: &Option<Value>) -> ! {
    unreachable!("the key table gives {value:?} for {key}")
}

/// What the command line said; it stands above every other origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--lock-timeout`.
    pub lock_timeout: Option<Duration>,
    /// `--fetch-max-age`.
    pub fetch_max_age: Option<Duration>,
    /// `--no-fetch`.
    pub no_fetch: bool,
    /// `--no-cleanup`.
    pub no_cleanup: bool,
    /// `--max-age`.
    pub max_age: Option<Duration>,
    /// `--slots`.
    pub slots: Option<u32>,
    /// `--base`.
    pub base: Option<String>,
    /// `--filter`.
    pub filter: Option<String>,
    /// `--depth`.
    pub depth: Option<u32>,
    /// `--strategy`.
    pub strategy: Option<&'static str>,
    /// `--jobs`.
    pub jobs: Option<u32>,
}

impl Flags {
    /// What was said about `key`, and by which flag.
    pub(super) fn value(&self, key: &str) -> Option<(Value, &'static str)> {
        match key {
            "lock_timeout" => Some((Value::Duration(self.lock_timeout?), "--lock-timeout")),
            "fetch_max_age" => Some((Value::Duration(self.fetch_max_age?), "--fetch-max-age")),
            "stale_after" => Some((Value::Duration(self.max_age?), "--max-age")),
            "fetch_on_allocate" if self.no_fetch => Some((Value::Bool(false), "--no-fetch")),
            "clean_on_release" if self.no_cleanup => Some((Value::Bool(false), "--no-cleanup")),
            "num_slots" => Some((Value::Count(self.slots?), "--slots")),
            "jobs" => Some((Value::Count(self.jobs?), "--jobs")),
            "filter" => Some((Value::Text(self.filter.clone()?), "--filter")),
            "depth" => Some((Value::Count(self.depth?), "--depth")),
            "base" => Some((Value::Text(self.base.clone()?), "--base")),
            "strategy" => Some((Value::Text(self.strategy?.into()), "--strategy")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_settings_are_those_of_the_manual() {
        let settings = Settings::default();
        assert_eq!(settings.num_slots, 2);
        assert_eq!(settings.max_slots, None);
        assert_eq!(settings.lock_timeout, Duration::from_secs(30));
        assert_eq!(settings.cleanup_timeout, Duration::from_secs(60));
        assert_eq!(settings.git_timeout, Duration::from_secs(300));
        assert_eq!(settings.stale_after, Duration::from_secs(86400));
        assert_eq!(settings.fetch_max_age, Duration::ZERO);
        assert_eq!(
            settings.rescue_expire,
            Some(Duration::from_secs(90 * 86400))
        );
        assert_eq!(settings.trash_limit, 10 << 30);
        assert!(settings.fetch_on_allocate && settings.clean_on_release);
        assert!(settings.enable_metrics && !settings.allow_network_filesystem);
        assert_eq!(settings.on_fetch_failure, OnFetchFailure::Error);
        assert_eq!(settings.rescue, Rescue::All);
        assert_eq!(settings.ports.to_string(), "20000-29999");
        assert_eq!(settings.ports_per_slot, 10);
        assert_eq!(settings.jobs, 0);
        assert!(!settings.warmup_enabled);
        assert!(settings.keep.is_empty() && settings.base.is_none());
        assert_eq!(settings.keep_limit, 20 << 30);
        assert!(settings.copy.is_empty() && settings.setup_inputs.is_empty());
        assert!(settings.setup.is_none() && settings.on_release.is_none());
        assert_eq!(settings.setup_timeout, Duration::from_secs(1800));
    }
}
