#!/usr/bin/env bash
#
# Measures a pool of a large repository against clones of it, and a pool of many small slots.
#
#   benches/against_clone.sh [--repo URL | --npm PACKAGE] [--releases N] [--slots N]
#                            [--rounds N] [--only large|many] [--many N] [--binary FILE] [--short]
#
# Without --repo or --npm the large repository is made up: files of random text, a few lines
# of them changed in each of many commits. --npm PACKAGE imports the last N releases of a
# package, one commit each (npm and its registry are needed). --only leaves out the other half.
# --short is a quick run on small sizes, to see that the script works; its figures mean little.
#
# Every figure is the median over the rounds; within a round all commands run one after
# another on the same repository, so ratios hold where absolute times drift. The file system
# cache is warm. Clones go over file://, which copies as a network transport does; over a
# plain path git links the objects instead, which is shown beside it.

set -euo pipefail
export LC_ALL=C

repo='' package='' releases=120 slots=4 rounds=5 path='' url='' what='' many=100 short=
files=4800 commits=20000 touched=4 only= binary=
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
    sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
        --repo) repo=$2; shift ;;
        --npm) package=$2; shift ;;
        --releases) releases=$2; shift ;;
        --slots) slots=$2; shift ;;
        --rounds) rounds=$2; shift ;;
        --only) only=$2; shift ;;
        --many) many=$2; shift ;;
        --binary) binary=$2; shift ;;
        --short) short=yes ;;
        -h | --help) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
    shift
done
if [ -n "$short" ]; then
    rounds=2 many=10 files=500 commits=200 releases=3
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Nothing of the caller's settings may change what is measured; npm alone keeps its own.
caller_npmrc=${npm_config_userconfig:-${HOME:-}/.npmrc}
export HOME=$scratch/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
mkdir "$HOME"
git config --global user.name Bench
git config --global user.email bench@example.com
git config --global init.defaultBranch main
git config --global protocol.file.allow always
unset "${!REPO_POOL_@}"

if [ -z "$binary" ]; then
    echo "building" >&2
    cargo build --release --quiet --manifest-path "$here/Cargo.toml"
    binary=$(find "$here"/target -path '*/release/repo-pool' -type f -printf '%T@ %p\n' |
        sort -n | tail -n 1 | cut -d' ' -f2-)
fi
pool() { "$binary" --quiet --workspace "$scratch/workspace" "$@"; }

# --- the repositories ---------------------------------------------------------------------

# Prints a git fast-import stream: files of 80 random lines, one line changed in some of them
# in each commit.
made_up() { # FILES COMMITS TOUCHED
    awk -v files="$1" -v commits="$2" -v touched="$3" '
        function line() {
            return sprintf("%08x%08x %08x%08x %08x\n", rand() * 4294967295, rand() * 4294967295,
                rand() * 4294967295, rand() * 4294967295, rand() * 4294967295)
        }
        function put(n) {
            printf "M 100644 inline d%d/e%d/f%d.txt\ndata %d\n%s\n", n % 20, n % 200, n, length(text[n]), text[n]
        }
        BEGIN {
            srand(1)
            width = length(line())
            for (n = 0; n < files; n++)
                for (l = 0; l < 80; l++) text[n] = text[n] line()
            for (c = 1; c <= commits; c++) {
                printf "commit refs/heads/main\ncommitter Bench <bench@example.com> %d +0000\n", 1700000000 + c * 3600
                printf "data 8\nnumber %d\n", c % 10
                if (c == 1) for (n = 0; n < files; n++) put(n)
                else for (t = 0; t < touched; t++) {
                    n = int(rand() * files); l = int(rand() * 80)
                    text[n] = substr(text[n], 1, l * width) line() substr(text[n], (l + 1) * width + 1)
                    put(n)
                }
            }
        }'
}

import_npm() { # PACKAGE RELEASES REPOSITORY
    local versions version tree=$scratch/tree
    git init --quiet "$tree"
    # shellcheck disable=SC2016
    mapfile -t versions < <(npm_config_userconfig=$caller_npmrc npm view "$1" versions --json 2>/dev/null |
        tr -d '[]", ' | grep -E '^[0-9]+\.[0-9]+\.[0-9]+$' | sort -V | tail -n "$2")
    for version in "${versions[@]}"; do
        (cd "$scratch" && npm_config_userconfig=$caller_npmrc npm_config_cache=$scratch/npm \
            npm pack "$1@$version" --silent >package.name 2>/dev/null)
        find "$tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
        tar -xzf "$scratch/$(tail -n 1 "$scratch/package.name")" -C "$tree" --strip-components=1
        rm -rf "$scratch/$(tail -n 1 "$scratch/package.name")" "$scratch/npm"
        git -C "$tree" -c core.autocrlf=false add --all --force
        git -C "$tree" commit --quiet --message "$1 $version" || true
        printf '\rimporting %s %s ' "$1" "$version" >&2
    done
    echo >&2
    git clone --quiet --bare "file://$tree" "$3"
    rm -rf "$tree"
}

# --- measuring ----------------------------------------------------------------------------

declare -A times=() sizes=()
order=()

# Runs a command and notes its time, in microseconds, under a name.
timed() { # NAME COMMAND…
    local name=$1 from to
    shift
    from=${EPOCHREALTIME/./}
    "$@" >"$scratch/out" 2>"$scratch/err" || {
        echo "failed: $*" >&2
        cat "$scratch/err" >&2
        exit 1
    }
    to=${EPOCHREALTIME/./}
    [ -n "${times[$name]:-}" ] || order+=("$name")
    times[$name]+="$((to - from)) "
}

median() { # NUMBERS
    # shellcheck disable=SC2086
    printf '%s\n' $1 | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

of() { median "${times[$1]}"; }
bytes() { du -s -B1 "$@" | awk '{ n += $1 } END { print n }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf (a < 100 * b ? "%.2g" : "%.0f"), a / b }'; }
mib() { awk -v b="$1" 'BEGIN { printf "%.1f MiB", b / 1048576 }'; }
seconds() { awk -v t="$1" 'BEGIN { printf (t < 1e6 ? "%.1f ms" : "%.2f s"), t / (t < 1e6 ? 1e3 : 1e6) }'; }

# A table of the names given, each with its median, its range and its share of the first.
table() { # NAME…
    local name first sorted
    first=$(of "$1")
    printf '  %-44s %10s %10s %10s %9s\n' command median least most ratio
    for name in "$@"; do
        # shellcheck disable=SC2086
        sorted=$(printf '%s\n' ${times[$name]} | sort -n)
        printf '  %-44s %10s %10s %10s %9s\n' "$name" "$(seconds "$(of "$name")")" \
            "$(seconds "$(head -n 1 <<<"$sorted")")" "$(seconds "$(tail -n 1 <<<"$sorted")")" \
            "$(ratio "$(of "$name")" "$first")"
    done
}

clones() { # COUNT
    local n
    for ((n = 1; n <= $1; n++)); do git clone --quiet "$url" "$scratch/clones/$n"; done
}

allocate_all() { # COUNT
    local n
    for ((n = 1; n <= $1; n++)); do pool allocate many --no-fetch; done
}

large_round() {
    local slot
    mkdir "$scratch/clones"
    timed "git clone (file://)" git clone --quiet "$url" "$scratch/clones/one"
    sizes[clone]=$(bytes "$scratch/clones/one")
    sizes[tree]=$(($(bytes "$scratch/clones/one") - $(bytes "$scratch/clones/one/.git")))
    if [ -n "$path" ]; then
        timed "git clone --shared" git clone --quiet --shared "$path" "$scratch/clones/shared"
        timed "git clone (path, objects linked)" git clone --quiet "$path" "$scratch/clones/path"
        sizes[shared]=$(bytes "$scratch/clones/shared")
    fi
    timed "$slots times git clone" clones "$slots"
    rm -rf "$scratch/clones"

    timed "create -n $slots" pool create large "$url" -n "$slots"
    sizes[pool]=$(bytes "$scratch/workspace/large")
    sizes[history]=$(bytes "$scratch/workspace/large/repo.git/objects")
    timed "add-slot" pool add-slot large
    sizes[slot]=$(bytes "$scratch/workspace/large/worktrees/slot1" \
        "$scratch/workspace/large/repo.git/worktrees/slot1")
    timed "git worktree add" git -C "$scratch/workspace/large/repo.git" worktree add --quiet --detach \
        "$scratch/extra" "$(git -C "$scratch/workspace/large/worktrees/slot1" rev-parse HEAD)"
    git -C "$scratch/workspace/large/repo.git" worktree remove --force "$scratch/extra"

    timed "allocate" pool allocate large
    slot=$(cat "$scratch/out")
    timed "git status --ignored" git -C "$slot" status --porcelain=v2 --ignored
    timed "release, nothing changed" pool release "$slot"
    timed "allocate --no-fetch" pool allocate large --no-fetch
    slot=$(cat "$scratch/out")
    make_dirty "$slot"
    timed "release, 20 changed + 200 new files, saved" pool release "$slot"
    slot=$(pool allocate large --no-fetch)
    make_dirty "$slot"
    timed "release --discard, changed likewise" pool release --discard "$slot"
    timed "status large" pool status large
    timed "remove-pool" pool remove-pool large --force
}

make_dirty() { # DIR
    local n name names=()
    mapfile -t -d '' -n 20 names < <(git -C "$1" ls-files -z)
    for name in "${names[@]}"; do echo changed >>"$1/$name"; done
    mkdir "$1/new-files"
    for ((n = 0; n < 200; n++)); do echo "$n" >"$1/new-files/$n"; done
}

many_round() { # COUNT
    timed "create -n $1" pool create many "file://$scratch/small.git" -n "$1"
    timed "allocate, $1 times" allocate_all "$1"
    timed "status, $1 allocated" pool status many
    # shellcheck disable=SC2046
    timed "release, all $1 in one command" pool release $(seq -f 'many/slot%g' 1 "$1")
    timed "status --json, $1 available" pool status many --json
    timed "remove-pool, $1 slots" pool remove-pool many
}

# --- the run ------------------------------------------------------------------------------

facts() {
    printf 'machine: %s cores, %s, %s\n' "$(nproc)" "$(uname -sr)" "$(git --version)"
    printf '         %s, %s, load %s\n' "$("$binary" --version)" "$(stat -fc %T "$scratch")" \
        "$(cut -d' ' -f1-3 /proc/loadavg)"
}

make_large() {
    if [ -n "$repo" ]; then
        url=$repo what=$repo
        case $url in
            file://*) path=${url#file://} ;;
            *://* | *@*:*) ;;
            *) path=$(realpath "$url") url=file://$path ;;
        esac
        return
    fi
    path=$scratch/large.git url=file://$path
    if [ -n "$package" ]; then
        what="$releases releases of $package"
        import_npm "$package" "$releases" "$path"
    else
        what="made up"
        git init --quiet --bare "$path"
        made_up "$files" "$commits" "$touched" | git -C "$path" fast-import --quiet
    fi
    git -C "$path" gc --quiet
}

less() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f %% less", 100 * (1 - a / b) }'; }

large() {
    local round one
    make_large
    for ((round = 1; round <= rounds; round++)); do
        printf '\rlarge, round %s ' "$round" >&2
        large_round
        rm -rf "$scratch/workspace"
    done
    printf '\nLarge repository (%s), %s rounds\n' "$what" "$rounds"
    if [ -n "$path" ]; then
        printf '  %s commits, %s files at the tip, ' "$(git -C "$path" rev-list --count HEAD)" \
            "$(git -C "$path" ls-tree -r --name-only HEAD | wc -l)"
    fi
    printf 'history %s, tree %s\n\n' "$(mib "${sizes[history]}")" "$(mib "${sizes[tree]}")"
    table "${order[@]}"
    one=$(of "git clone (file://)")
    echo
    printf '  %-44s %s\n' \
        "disk: one clone" "$(mib "${sizes[clone]}")" \
        "disk: one slot (tree, index, registration)" "$(mib "${sizes[slot]}"), $(less "${sizes[slot]}" "${sizes[clone]}")" \
        "disk: $slots clones" "$(mib "$((sizes[clone] * slots))")" \
        "disk: a pool of $slots slots" "$(mib "${sizes[pool]}"), $(less "${sizes[pool]}" "$((sizes[clone] * slots))")" \
        "disk: one clone --shared" "$([ -z "${sizes[shared]:-}" ] || mib "${sizes[shared]}")" \
        "a clone against add-slot" "$(ratio "$one" "$(of add-slot)") times the time" \
        "a clone against allocate" "$(ratio "$one" "$(of allocate)") times the time"
}

many() {
    local round count label pattern counts=("$((many / 4))" "$((many / 2))" "$many")
    git init --quiet --bare "$scratch/small.git"
    made_up 300 100 4 | git -C "$scratch/small.git" fast-import --quiet
    for ((round = 1; round <= rounds; round++)); do
        for count in "${counts[@]}"; do
            printf '\rmany, %s slots, round %s ' "$count" "$round" >&2
            many_round "$count"
        done
    done
    printf '\nMany slots of a small repository (300 files), %s rounds, medians\n\n' "$rounds"
    printf '  %-28s' slots
    printf '%12s' "${counts[@]}" "per slot"
    echo
    while IFS='|' read -r label pattern; do
        printf '  %-28s' "$label"
        for count in "${counts[@]}"; do
            printf '%12s' "$(seconds "$(of "${pattern//N/$count}")")"
        done
        printf '%12s\n' "$(seconds "$(awk -v t="$(of "${pattern//N/$many}")" -v n="$many" 'BEGIN { print t / n }')")"
    done <<END
create|create -n N
allocate, one after another|allocate, N times
status|status, N allocated
release, in one command|release, all N in one command
status --json|status --json, N available
remove-pool|remove-pool, N slots
END
}

facts
[ "$only" = many ] || large
[ "$only" = large ] || many
