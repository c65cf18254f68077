//! What the calls of the Python library became whose place this program takes.

use super::Row;

/// Calls of the original, and what does their work here.
pub const ORIGINAL: &[Row] = &[
    (
        "create_pool",
        "repo-pool create NAME URL -n N, or made on first use by allocate and exec",
    ),
    (
        "allocate_slot",
        "repo-pool allocate POOL: prints the path; --json the metadata; notes by --meta and --meta-json",
    ),
    (
        "release_slot",
        "repo-pool release SLOT: saves unlanded work first; --no-cleanup skips cleaning",
    ),
    (
        "get_available_slots",
        "repo-pool status POOL --json: summary.available_slots, and the slots in state available",
    ),
    (
        "get_pool_summary",
        "repo-pool status --json: totals, allocation times, cache_hit_rate, failed_allocations",
    ),
    ("add_slot", "repo-pool add-slot POOL -n N"),
    (
        "remove_slot",
        "repo-pool remove-slot SLOT; --force for an allocated one, its work saved",
    ),
    (
        "acquire, release",
        "left out: every command locks by itself; is_locked in status shows it",
    ),
    (
        "force_unlock",
        "left out: a kernel lock ends with its holder; release --force overrides the live holder of a slot",
    ),
    (
        "stale lock detection",
        "repo-pool recover: became rules about owners (dead_owner, expired_lease, stale_allocation)",
    ),
    ("orphaned locks", "repo-pool recover --only orphaned_lock"),
    (
        "detect_*",
        "repo-pool recover --dry-run: one finding per problem, with its kind; exit 1 if there is any",
    ),
    (
        "auto_recover",
        "repo-pool recover; its switches are --only, --max-age and --release-stale, its counters the summary of recover --json",
    ),
    (
        "isolate_slot",
        "repo-pool isolate SLOT --reason TEXT; back with recover SLOT",
    ),
    (
        "load_from_file",
        "pools.toml, made from the YAML by repo-pool config import; repo-pool apply makes all pools, allocate each on first use",
    ),
    (
        "ConfigWatcher",
        "repo-pool apply --watch; each command reads the file anew anyway",
    ),
    (
        "warm-up",
        "repo-pool warm, from cron or a timer; warmup_enabled chooses the pools",
    ),
    (
        "background cleaning",
        "repo-pool release --background, background_cleanup; status and log say how it went",
    ),
];
