# Completion for bash: the program says what there is.
{FUNCTION}() {
    local IFS=$'\n' kind= line word=$2 index={INDEX}
    local -a words=({WORDS})
    # The word up to the cursor. What stands around a `=` is a word of its own here.
    [[ ${words[index]} == "=" ]] || words[index]=$word
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("${line%%$'\t'*}"); fi
    done < <(command repo-pool __complete bash "$index" -- "${words[@]}" 2>/dev/null)
    case $kind in
        dirs | files)
            compopt -o filenames 2>/dev/null
            [[ $kind == dirs ]] && COMPREPLY+=($(compgen -d -- "$word"))
            [[ $kind == files ]] && COMPREPLY+=($(compgen -f -- "$word"))
            ;;
        command\ *)
            index=${kind#command }
            if declare -F _command_offset >/dev/null; then
                _command_offset "$index"
            elif ((COMP_CWORD == index)); then
                COMPREPLY+=($(compgen -c -- "$word"))
            else
                compopt -o filenames 2>/dev/null
                COMPREPLY+=($(compgen -f -- "$word"))
            fi
            ;;
    esac
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F {FUNCTION} {NAME}
