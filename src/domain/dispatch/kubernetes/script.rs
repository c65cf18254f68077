//! The `sh` scripts around a command that works in no slot of this machine, and what they say at their
//! end.
//!
//! They need `sh` and `git` (and for `node` `repo-pool`), and are told everything by variables and
//! arguments, so no word of a task is ever read as part of them.

use crate::domain::dispatch::standstill::quoted;

/// The variables that tell the scripts what to do, beside those that commands are told.
pub mod variables {
    /// The directory of everything.
    pub const HOME: &str = "REPO_POOL_HOME";
    /// The remote's address.
    pub const REMOTE: &str = "REPO_POOL_REMOTE";
    /// Where the branch of an earlier attempt is kept if it is in the way.
    pub const KEEP: &str = "REPO_POOL_KEEP_BRANCH";
    /// The task's file, in pieces from 1 on, if it is too large for `TASK_CONTEXT`.
    pub const PIECE: &str = "REPO_POOL_TASK_PIECE_";
    /// Where last words go.
    pub const LAST_WORDS: &str = "REPO_POOL_LAST_WORDS";
}

/// Last words. Whatever else goes wrong, a command's own failure is what counts.
const SAY: &str = r#"say() { printf '%s\n' "$*" 2>/dev/null >"$REPO_POOL_LAST_WORDS"; }
fail() {
  echo "repo-pool: $*" >&2
  [ "${code:-0}" = 0 ] || exit "$code"
  say "infra $*"
  exit 125
}
"#;

/// The directory, and the task's file.
const PREPARE: &str = r#"export GIT_TERMINAL_PROMPT=0
mkdir -p -m 700 "$REPO_POOL_HOME" && mkdir -p "$REPO_POOL_ARTIFACTS_DIR" || fail "$REPO_POOL_HOME can't be made"
{
  printf '%s' "${TASK_CONTEXT-}"
  n=1
  while eval "piece=\${REPO_POOL_TASK_PIECE_$n-}" && [ -n "$piece" ]; do
    printf '%s' "$piece"
    n=`expr "$n" + 1`
  done
  echo
} >"$REPO_POOL_TASK_FILE" || fail "$REPO_POOL_TASK_FILE can't be written"
"#;

/// The checkout.
const CLONE: &str = r#"slot=$REPO_POOL_SLOT_PATH
rm -rf "$slot"
git clone --quiet --no-checkout "$REPO_POOL_REMOTE" "$slot" || fail "$REPO_POOL_REMOTE can't be cloned"
cd "$slot" || fail "$slot can't be entered"
git cat-file -e "$REPO_POOL_BASE_COMMIT^{commit}" 2>/dev/null ||
  git fetch --quiet origin "$REPO_POOL_BASE_COMMIT" || fail "commit $REPO_POOL_BASE_COMMIT can't be fetched"
git checkout --quiet --no-track -B "$REPO_POOL_BRANCH" "$REPO_POOL_BASE_COMMIT" ||
  fail "commit $REPO_POOL_BASE_COMMIT can't be checked out"
"#;

/// Who runs as the first process of a container is not ended by a signal that it does not handle, so it
/// has to handle those, and pass them on.
const AWAIT: &str = r#"child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
trap '' TERM INT HUP
"#;

/// The command.
const RUN: &str = "\"$@\" <&0 &\n";

/// The branch. What an earlier attempt has pushed stays, under the branch's name with the attempt's
/// number behind it.
const PUSH: &str = r#"tip=`git rev-parse --verify --quiet HEAD` || fail "what was committed can't be told"
if [ "$tip" = "$REPO_POOL_BASE_COMMIT" ]; then
  say nothing
  exit "$code"
fi
branch=refs/heads/$REPO_POOL_BRANCH
old=`git ls-remote origin "$branch"` || fail "its branch can't be pushed: the remote does not answer"
old=${old%%[!0-9a-f]*}
if [ -n "$old" ]; then
  git cat-file -e "$old^{commit}" 2>/dev/null || git fetch --quiet origin "$branch" || fail "$branch can't be fetched"
  if ! git merge-base --is-ancestor "$old" "$tip"; then
    keep=$REPO_POOL_KEEP_BRANCH
    n=0
    until git push --quiet origin "$old:refs/heads/$keep"; do
      n=`expr "$n" + 1`
      [ "$n" -lt 10 ] || fail "what an earlier attempt has pushed can't be kept as $keep"
      keep=$REPO_POOL_KEEP_BRANCH.$n
    done
  fi
fi
git push --quiet --force-with-lease="$branch:$old" origin "$tip:$branch" || fail "its branch $REPO_POOL_BRANCH can't be pushed"
say "commit $tip"
exit "$code"
"#;

/// For `clone`.
pub fn clone() -> String {
    [SAY, PREPARE, CLONE, RUN, AWAIT, PUSH].concat()
}

/// For `node`: the same in a slot of the workspace there. What has begun has said so, for the exit codes
/// of `repo-pool` may be the command's too.
pub fn node(workspace: &str) -> String {
    let inner = [SAY, ": >\"$REPO_POOL_HOME/begun\"\n", RUN, AWAIT, PUSH].concat();
    let exec = format!(
        "repo-pool --workspace {} exec \"$REPO_POOL_REMOTE\" --ref \"$REPO_POOL_BASE_COMMIT\" \
         --owner \"$REPO_POOL_RUNNER_ID\" --grow --wait 5m -- sh -c {} sh \"$@\" <&0 &\n",
        quoted(workspace),
        quoted(&inner)
    );
    let ended = "[ -e \"$REPO_POOL_HOME/begun\" ] || \
                 { code=0; fail \"no slot of the node's workspace could be had: see the log\"; }\n\
                 exit \"$code\"\n";
    [SAY, PREPARE, &exec, AWAIT, ended].concat()
}

/// For a task without a repository.
pub fn bare() -> String {
    let enter = "cd \"$REPO_POOL_HOME\" || fail \"$REPO_POOL_HOME can't be entered\"\n";
    [SAY, PREPARE, enter, RUN, AWAIT, "exit \"$code\"\n"].concat()
}

/// What a script says at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastWords {
    /// This commit was pushed.
    Commit(String),
    /// There was none to be pushed.
    Nothing,
    /// It could not do its work.
    Infra(String),
}

impl LastWords {
    /// Those in a termination message, if there are any.
    pub fn of(message: &str) -> Option<Self> {
        let message = message.trim();
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        match word {
            "commit" if is_commit(rest) => Some(Self::Commit(rest.to_owned())),
            "nothing" if rest.is_empty() => Some(Self::Nothing),
            "infra" => Some(Self::Infra(rest.to_owned())),
            _ => None,
        }
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
