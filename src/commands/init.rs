//! `init`: choose a place for the workspace.

use super::session::Session;
use crate::cli::InitArgs;
use crate::config::template;
use crate::domain::outcome::WorkspaceView;
use crate::domain::{Error, Result};
use crate::report::escape::shell_word;
use crate::report::output::unless_closed;
use crate::store::Workspace;
use crate::store::workspace::Located;
use crate::sys::fs::{self, Durability};

/// Makes a workspace with a commented `pools.toml`. A second run changes nothing.
pub fn run(session: &Session, args: &InitArgs) -> Result<u8> {
    let located = match &args.dir {
        Some(dir) => Located {
            path: std::path::absolute(dir).map_err(|e| Error::io("find", dir, e))?,
            named: true,
        },
        None => session.located()?,
    };
    // A file with mistakes is `config check`'s to complain of.
    let allowed = session.config(&located).is_ok_and(|config| {
        config
            .settings(None, &session.flags())
            .allow_network_filesystem
    });
    let (workspace, made) = Workspace::open_or_create(&located, allowed)?;
    let file = workspace.root().join("pools.toml");
    let wrote = fs::metadata_if_there(&file)?.is_none();
    if wrote {
        fs::write_atomic(&file, template().as_bytes(), Durability::Durable)?;
    }
    let root = workspace.root().display().to_string();
    if session.output.is_json() {
        let result = WorkspaceView {
            workspace: root,
            config: file.display().to_string(),
            created: made,
        };
        unless_closed(session.output.json("result", &result))?;
        return Ok(0);
    }
    session.output.note(&if made || wrote {
        let what = if made {
            "made the workspace"
        } else {
            "wrote the settings of the workspace"
        };
        format!("{what} {root}; its settings are in {}", file.display())
    } else {
        format!("{root} is a workspace already; nothing was changed")
    });
    session.output.note(&format!(
        "to use it from elsewhere: --workspace {0}, or export REPO_POOL_WORKSPACE={0}",
        shell_word(&root)
    ));
    unless_closed(session.output.data(&root))?;
    Ok(0)
}
