# {NAME} POOL [OPTION]...: takes a slot of POOL and goes there; the options are those of `repo-pool allocate`
# {NAME} - [OPTION]...: goes back and gives the slot back; the options are those of `repo-pool release`
# {NAME}: shows the pools
function {NAME} --description 'Take a slot of a pool and go there; - gives it back'
    if test (count $argv) -eq 0
        command repo-pool status
    else if test "$argv[1]" = -
        set -e argv[1]
        __repo_pool_back $argv
    else
        __repo_pool_take $argv
    end
end

function __repo_pool_take
    set -l lines (command repo-pool allocate --owner-pid $fish_pid $argv)
    set -l code $status
    test $code -eq 0; or return $code
    if not string match --quiet -- '/*' $lines[1]
        # A help text, or a document.
        printf '%s\n' $lines
        return 0
    end
    set -l slot (string join \n -- $lines | string collect)
    set -l from $PWD
    if not cd -- $slot
        command repo-pool --workspace (__repo_pool_workspace $slot) release $slot
        return 1
    end
    # The newest first.
    set -g __repo_pool_slots $slot $__repo_pool_slots
    set -g __repo_pool_from $from $__repo_pool_from
end

function __repo_pool_back
    if test (count $__repo_pool_slots) -eq 0
        echo '{NAME}: this shell has taken no slot; `{NAME} POOL` takes one' >&2
        return 1
    end
    set -l slot $__repo_pool_slots[1]
    set -l here $PWD
    # A slot that nobody stands in can be parked.
    cd -- $__repo_pool_from[1] 2>/dev/null; or cd 2>/dev/null; or cd /
    # What an earlier `allocate --export` left in the environment does not speak for this slot.
    REPO_POOL_ALLOCATION='' command repo-pool --workspace (__repo_pool_workspace $slot) release $slot $argv
    set -l code $status
    if contains -- $code 0 6 7
        # Given back, another's by now, or no more.
        set -e __repo_pool_slots[1]
        set -e __repo_pool_from[1]
    end
    contains -- $code 0 7; or cd -- $here
    return $code
end

function __repo_pool_workspace
    string replace --regex -- '/[^/]*/worktrees/[^/]*$' '' $argv[1]
end
