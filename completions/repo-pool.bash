# Completion for bash: the program says what there is.
_repo_pool() {
    local kind='' line word=$2 index=$COMP_CWORD
    local -a words=("${COMP_WORDS[@]}")
    # The word up to the cursor. What stands around a `=` is a word of its own here.
    [[ ${words[index]} == "=" ]] || words[index]=$word
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("${line%%$'\t'*}"); fi
    done < <(command repo-pool __complete bash "$index" -- "${words[@]}" 2>/dev/null)
    case $kind in
        dirs) kind=-d ;;
        files) kind=-f ;;
        command\ *)
            index=${kind#command }
            if declare -F _command_offset >/dev/null; then
                _command_offset "$index"
                return
            fi
            if ((COMP_CWORD == index)); then kind=-c; else kind=-f; fi
            ;;
        *) return ;;
    esac
    [[ $kind == -c ]] || compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen "$kind" -- "$word")
}
complete -F _repo_pool repo-pool
