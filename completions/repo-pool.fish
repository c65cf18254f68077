# Completion for fish: the program says what there is.
function _repo_pool
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor)
    # A word that is still empty is one, too.
    test (count $word) -eq 1; or set word ''
    set words $words $word
    set -l answer (command repo-pool __complete fish (math (count $words) - 1) -- $words 2>/dev/null)
    set -l kind $answer[1]
    set -e answer[1]
    test (count $answer) -gt 0; and printf '%s\n' $answer
    # What stands before a path in its word.
    set -l option (string match --regex -- '^--[^=]*=' $word; or echo '')
    set -l path (string replace --regex -- '^--[^=]*=' '' $word)
    switch "$kind"
        case dirs
            printf '%s\n' $option(__fish_complete_directories $path '')
        case files
            printf '%s\n' $option(__fish_complete_path $path '')
        case 'command *'
            set -l from (math (string replace 'command ' '' -- $kind) + 1)
            complete --do-complete=(string join ' ' -- (string escape -- $words[$from..-2]) $word)
    end
end
complete --command repo-pool --no-files --keep-order --arguments '(_repo_pool)'
