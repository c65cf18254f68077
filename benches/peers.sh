#!/usr/bin/env bash
#
# Measures other pools of worktrees beside repo-pool, on one repository, in the same minute.
#
#   benches/peers.sh [--install] [--repo PATH] [--files N] [--rounds N] [--binary FILE]
#
# Measured are those of git-workflow (gw), tree-pool (tp), warmtree and treehouse that are on PATH;
# the others are skipped. --install first brings those that cargo and pip know, by name and as
# these two are set up here, into a directory that is deleted in the end; it may take minutes.
#
# Each round runs every tool once: it gets a clean slot, then gives it back, unchanged. Each tool
# has a home directory and a clone of its own, all of one bare repository, by file://. Most of
# them fetch; repo-pool is measured with and without. What they promise differs: repo-pool alone
# removes ignored files, refuses while a process is inside and saves unpushed work first.

set -euo pipefail
export LC_ALL=C

install='' repo='' files=300 rounds=7 binary=''
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
    sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
        --install) install=yes ;;
        --repo) repo=$(realpath "$2"); shift ;;
        --files) files=$2; shift ;;
        --rounds) rounds=$2; shift ;;
        --binary) binary=$(realpath "$2"); shift ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -z "$binary" ]; then
    cargo build --release --quiet --manifest-path "$here/Cargo.toml"
    binary=$(find "$here"/target -path '*/release/repo-pool' -type f -printf '%T@ %p\n' |
        sort -n | tail -n 1 | cut -d' ' -f2-)
fi

# What can't be installed is skipped like what is not there.
install_peers() {
    local crate
    for crate in git-workflow tree-pool; do
        cargo install --quiet --root "$scratch/tools" "$crate" || echo "$crate: not to be had" >&2
    done
    if python3 -m venv "$scratch/venv"; then
        "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check warmtree ||
            echo "warmtree: not to be had for this Python" >&2
    fi
    PATH=$scratch/tools/bin:$scratch/venv/bin:$PATH
}
[ -z "$install" ] || install_peers

# Nothing of the caller's settings may change what is measured, and some of the tools write to
# the home directory.
export HOME=$scratch/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
mkdir "$HOME"
git config --global user.name Bench
git config --global user.email bench@example.com
git config --global init.defaultBranch main
git config --global protocol.file.allow always
unset "${!REPO_POOL_@}"

# --- the repository -----------------------------------------------------------------------

remote=$scratch/remote.git
if [ -n "$repo" ]; then
    git clone --quiet --bare "$repo" "$remote"
else
    git init --quiet "$scratch/source"
    (
        cd "$scratch/source"
        for ((n = 0; n < files; n++)); do
            mkdir -p "d$((n % 20))/e$((n % 200))"
            seq "$n" "$((n + 400))" >"d$((n % 20))/e$((n % 200))/f$n.txt"
        done
        printf 'build/\n' >.gitignore
        git add --all
        git commit --quiet --message "All of it"
    )
    git clone --quiet --bare "$scratch/source" "$remote"
    rm -rf "$scratch/source"
fi
branch=$(git -C "$remote" symbolic-ref --short HEAD)

clone() { # NAME
    git clone --quiet "file://$remote" "$scratch/$1/app"
}

# --- the tools ----------------------------------------------------------------------------
#
# Each has NAME_setup, and NAME_get and NAME_return, which are run by the clock in its clone.
# NAME_get leaves the slot's path in $slot.

pool() { "$binary" --quiet --workspace "$scratch/repo_pool/workspace" "$@"; }
repo_pool_setup() { pool create app "file://$remote" -n 2 >/dev/null; }
repo_pool_get() { slot=$(pool allocate app); }
repo_pool_return() { pool release "$slot" >/dev/null; }

repo_pool_no_fetch_setup() { :; }
repo_pool_no_fetch_get() { slot=$(pool allocate app --no-fetch); }
repo_pool_no_fetch_return() { repo_pool_return; }

script_setup() { git worktree add --quiet --detach "$scratch/script/slot" "origin/$branch"; }
script_get() {
    slot=$scratch/script/slot
    git fetch --quiet --all
    git -C "$slot" clean -ffdxq
    git -C "$slot" reset --quiet --hard "origin/$branch"
}
script_return() {
    git -C "$slot" clean -ffdxq
    git -C "$slot" reset --quiet --hard
}

gw_setup() { gw worktree pool warm 2; }
gw_get() { slot=$(gw worktree pool acquire); }
gw_return() { gw worktree pool release "$(basename "$slot")"; }

tp_setup() {
    tp init
    tp_get
    tp_return
}
tp_get() { slot=$(tp get "$branch"); }
tp_return() { tp return --force "$slot"; }

warmtree_setup() {
    warmtree init
    printf '[pool]\nsize = 2\nrefresh_every = "off"\n' >.warmtree.toml
    warmtree fill
}
warmtree_get() { slot=$(warmtree take --no-refill topic); }
warmtree_return() { warmtree release --force topic; }

treehouse_setup() {
    treehouse_get
    treehouse_return
}
treehouse_get() { slot=$(treehouse get --lease); }
treehouse_return() { treehouse return "$slot"; }

# --- measuring ----------------------------------------------------------------------------

declare -A times=() states=()

say_why() { # NAME STEP
    states[$1]="failed at $2: $(grep -v '^$' "$scratch/$1/err" | tail -n 1 | cut -c1-80)"
}

# Runs one step of a tool in its clone. One that fails is left out from then on.
step() { # NAME STEP
    local dir=$scratch/$1/app from to
    from=${EPOCHREALTIME/./}
    if ! { cd "$dir" && "$1_$2" </dev/null >"$scratch/$1/out" 2>"$scratch/$1/err"; }; then
        say_why "$1" "$2"
        return 1
    fi
    to=${EPOCHREALTIME/./}
    [ "$2" = setup ] || times[$1/$2]+="$((to - from)) "
}

# A slot that is no clean checkout of the newest commit is not what was asked for.
check() { # NAME
    local head
    head=$(git -C "$slot" rev-parse HEAD 2>/dev/null || true)
    [ "$head" = "$(git -C "$remote" rev-parse HEAD)" ] ||
        states[$1]="its slot is not at the newest commit"
}

median() { # NUMBERS
    # shellcheck disable=SC2086
    printf '%s\n' $1 | sort -n |
        awk '{ v[NR] = $1 } END { printf "%.1f ms", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2000 }'
}

tools=(repo_pool repo_pool_no_fetch script)
for peer in gw tp warmtree treehouse; do
    if command -v "$peer" >/dev/null; then
        tools+=("$peer")
    else
        echo "$peer: not installed: skipped"
    fi
done

for tool in "${tools[@]}"; do
    mkdir "$scratch/$tool"
    clone "$tool"
    step "$tool" setup || true
done
slot=''
for ((round = 1; round <= rounds; round++)); do
    for tool in "${tools[@]}"; do
        [ -z "${states[$tool]:-}" ] || continue
        step "$tool" get || continue
        check "$tool"
        step "$tool" return || true
    done
done

printf '\n%s cores, %s, %s files, %s rounds, load %s\n\n' "$(nproc)" "$(git --version)" \
    "$(git -C "$remote" ls-tree -r --name-only HEAD | wc -l)" "$rounds" "$(cut -d' ' -f1-3 /proc/loadavg)"
printf '%-24s %12s %12s\n' '' get return
for tool in "${tools[@]}"; do
    if [ -n "${states[$tool]:-}" ]; then
        printf '%-24s %s\n' "${tool//_/-}" "${states[$tool]}"
    else
        printf '%-24s %12s %12s\n' "${tool//_/-}" "$(median "${times[$tool/get]}")" \
            "$(median "${times[$tool/return]}")"
    fi
done
