//! What `hook` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// What `hook` takes.
#[derive(Debug, Clone, Args)]
pub struct HookArgs {
    /// Whose hook it is.
    #[command(subcommand)]
    pub command: HookCommand,
}

/// The tools whose hooks are answered.
#[derive(Debug, Clone, Subcommand)]
pub enum HookCommand {
    /// Answer the hooks of Claude Code
    ClaudeCode(ClaudeCodeArgs),
    /// Show or write the settings that make a tool use its hooks
    Install(InstallToolArgs),
}

/// What `hook claude-code` takes.
#[derive(Debug, Clone, Args)]
pub struct ClaudeCodeArgs {
    /// What happened.
    #[command(subcommand)]
    pub command: ClaudeCodeCommand,
}

/// The hooks of Claude Code.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ClaudeCodeCommand {
    /// Answer WorktreeCreate: hand out a slot and print its path alone
    ///
    /// Reads one JSON object from stdin: `cwd` says which repository, `name` (or `worktree_name`)
    /// becomes the key and the branch of the slot. Asked again by the same name, it answers with
    /// the same slot while that is held.
    Create,
    /// Answer WorktreeRemove: give the slot back, its work saved
    ///
    /// Reads one JSON object from stdin, whose `worktree_path` is a path in the slot.
    Remove,
}

/// What `hook install` takes.
#[derive(Debug, Clone, Args)]
pub struct InstallToolArgs {
    /// The tool
    #[arg(value_enum, value_name = "TOOL")]
    pub tool: Tool,
    /// Write the settings into the tool's file instead of printing them
    #[arg(long)]
    pub write: bool,
    /// The settings file [default: .claude/settings.local.json of this repository]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "user")]
    pub settings: Option<PathBuf>,
    /// The user's settings, for all repositories: ~/.claude/settings.json
    #[arg(long)]
    pub user: bool,
}

/// A tool that has hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// Claude Code
    #[value(help = None::<&str>)]
    ClaudeCode,
}
