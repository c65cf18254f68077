# {NAME} POOL [OPTION]...: takes a slot of POOL and goes there; the options are those of `repo-pool allocate`
# {NAME} - [OPTION]...: goes back and gives the slot back; the options are those of `repo-pool release`
# {NAME}: shows the pools
{NAME}() {
    if [ "$#" -eq 0 ]; then
        command repo-pool status
    elif [ "$1" = - ]; then
        shift
        __repo_pool_back "$@"
    else
        __repo_pool_take "$@"
    fi
}

# How many slots this shell has taken; each has a variable for its path and for where one was before.
: "${__repo_pool_depth:=0}"

__repo_pool_take() {
    local slot from
    slot=$(command repo-pool allocate --owner-pid "$$" "$@") || return
    case $slot in
        /*) ;;
        *)
            # A help text, or a document.
            printf '%s\n' "$slot"
            return 0
            ;;
    esac
    from=$PWD
    if ! {CD} -- "$slot"; then
        command repo-pool --workspace "${slot%/*/worktrees/*}" release "$slot"
        return 1
    fi
    __repo_pool_depth=$((__repo_pool_depth + 1))
    eval "{GLOBAL}__repo_pool_slot_$__repo_pool_depth=\$slot"
    eval "{GLOBAL}__repo_pool_from_$__repo_pool_depth=\$from"
}

__repo_pool_back() {
    local slot from here code
    if [ "$__repo_pool_depth" -eq 0 ]; then
        printf '%s\n' '{NAME}: this shell has taken no slot; `{NAME} POOL` takes one' >&2
        return 1
    fi
    eval "slot=\$__repo_pool_slot_$__repo_pool_depth"
    eval "from=\$__repo_pool_from_$__repo_pool_depth"
    here=$PWD
    # A slot that nobody stands in can be parked.
    {CD} -- "$from" 2>/dev/null || {CD} -- "${HOME:-/}" 2>/dev/null || {CD} /
    code=0
    # What an earlier `allocate --export` left in the environment does not speak for this slot.
    REPO_POOL_ALLOCATION='' command repo-pool --workspace "${slot%/*/worktrees/*}" release "$slot" "$@" || code=$?
    case $code in
        0 | 6 | 7)
            # Given back, another's by now, or no more.
            unset "__repo_pool_slot_$__repo_pool_depth" "__repo_pool_from_$__repo_pool_depth"
            __repo_pool_depth=$((__repo_pool_depth - 1))
            ;;
    esac
    case $code in
        0 | 7) ;;
        *) {CD} -- "$here" || : ;;
    esac
    return "$code"
}
