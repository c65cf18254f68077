#compdef {NAME}
# Completion for zsh: the program says what there is.
{FUNCTION}() {
    local kind line value
    local -i index={INDEX}
    local -a asked answer described
    asked=({WORDS})
    # The word up to the cursor.
    asked[index+1]=${(Q)PREFIX}
    answer=("${(@f)$(command repo-pool __complete zsh $index -- "${asked[@]}" 2>/dev/null)}")
    kind=$answer[1]
    for line in "${(@)answer[2,-1]}"; do
        value=${line%%$'\t'*}
        if [[ $line == *$'\t'* ]]; then
            described+=("${value//:/\\:}:${line#*$'\t'}")
        else
            described+=("${value//:/\\:}")
        fi
    done
    (( $#described )) && _describe {NAME} described
    case $kind in
        dirs) compset -P '--*='; _files -/ ;;
        files) compset -P '--*='; _files ;;
        command\ *)
            shift ${kind#command } words
            (( CURRENT -= ${kind#command } ))
            _normal
            ;;
    esac
}
if [[ ${funcstack[1]-} == _{NAME} ]]; then
    {FUNCTION} "$@"
elif (( $+functions[compdef] )); then
    compdef {FUNCTION} {NAME}
fi
