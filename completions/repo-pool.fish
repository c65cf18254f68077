# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_repo_pool_global_optspecs
    string join \n workspace= config= json q/quiet v/verbose lock-timeout= jobs= color= h/help V/version
end

function __fish_repo_pool_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_repo_pool_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_repo_pool_using_subcommand
    set -l cmd (__fish_repo_pool_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c repo-pool -n "__fish_repo_pool_needs_command" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_needs_command" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_needs_command" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_needs_command" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_needs_command" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_needs_command" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -s V -l version -d 'Print version'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "init" -d 'Make a workspace with a commented pools.toml'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "create" -d 'Make a pool of a repository'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "allocate" -d 'Hand out a slot and print its path'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "release" -d 'Give slots back'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "renew" -d 'Extend the time for which a slot is held'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "exec" -d 'Run a command in a slot of its own'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "rescue" -d 'List saved work, bring it back, or give it up'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "collect" -d 'Bring the branches made in a slot into your own repository'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "add-slot" -d 'Add slots to a pool'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "remove-slot" -d 'Remove a slot'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "remove-pool" -d 'Remove a pool with all its slots'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "list" -d 'List the pools'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "status" -d 'Show pools, the slots of a pool, or one slot'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "recover" -d 'Find what is wrong, say it and repair it'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "isolate" -d 'Take an idle slot out of use'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "warm" -d 'Make idle slots ready ahead of use'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "branches" -d 'List the remote branches of a pool'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "log" -d 'Show the history of a pool or a slot'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "metrics" -d 'Print the metrics of pools, for Prometheus or as JSON'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "config" -d 'Show or check the settings'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c repo-pool -n "__fish_repo_pool_needs_command" -f -a "man" -d 'Print or write the manual pages'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -s n -l slots -d 'How many slots to make [default: num_slots of the settings]' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l base -d 'The branch that slots are brought to [default: the remote\'s HEAD, followed when it changes]' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l ref -d 'Bring the slot to this branch, tag, other ref of the remote, or commit' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l branch -d 'Put the slot on this branch: an existing one at its tip, else a new one at the base' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l meta -d 'Attach a piece of metadata; may be repeated' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l meta-json -d 'Attach the members of a JSON object as metadata' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l owner -d 'Record this label as the holder of the slot' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l owner-pid -d 'Tie the slot to this process: once it has ended, the slot may be taken back' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l ttl -d 'Hold the slot for this long unless renewed: then it may be taken back if no process is inside' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l fetch-max-age -d 'Do not fetch if the last fetch is at most this old' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l no-fetch -d 'Do not fetch; use what the last fetch brought'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l grow -d 'Add a slot if none is free, up to the pool\'s max_slots'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand allocate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l allocation -d 'Release only if this is still the slot\'s allocation' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l no-cleanup -d 'Leave the cleaning to the next allocate'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l background -d 'Return at once, and let a process of its own clean; what keeps it from that is shown by status'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l discard -d 'Give up commits and changes that are nowhere else, instead of saving them'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l kill -d 'End the processes that are inside the slot'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l force -d 'Release a slot whose owner is alive, for operators; recorded in the log'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l ttl -d 'How long the lease runs from now on [default: as long as it was given or renewed for]' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l allocation -d 'Renew only if this is still the slot\'s allocation' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand renew" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l ref -d 'Bring the slot to this branch, tag, other ref of the remote, or commit' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l branch -d 'Put the slot on this branch: an existing one at its tip, else a new one at the base' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l meta -d 'Attach a piece of metadata; may be repeated' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l meta-json -d 'Attach the members of a JSON object as metadata' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l owner -d 'Record this label as the holder of the slot' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l owner-pid -d 'Tie the slot to this process: once it has ended, the slot may be taken back' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l ttl -d 'Hold the slot for this long unless renewed: then it may be taken back if no process is inside' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l fetch-max-age -d 'Do not fetch if the last fetch is at most this old' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l no-fetch -d 'Do not fetch; use what the last fetch brought'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l grow -d 'Add a slot if none is free, up to the pool\'s max_slots'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -f -a "list" -d 'List saved work, oldest first'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -f -a "show" -d 'Show what was saved: commits, paths, and the command that shows all of it'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -f -a "restore" -d 'Bring saved work back into a slot as it was, or as a branch; it stays saved'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and not __fish_seen_subcommand_from list show restore drop" -f -a "drop" -d 'Give saved work up'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l into -d 'Bring it into this slot, which is yours and has no changes [default: the current one]' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l branch -d 'Make a branch of it in the pool\'s repository instead' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand rescue; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l into -d 'The repository to bring the branches into [default: the current directory\'s]' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand collect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -s n -d 'How many slots to add' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand add-slot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l allocation -d 'Remove the slot that is held by this allocation' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l force -d 'Remove it even if it is allocated and its owner is alive, for operators; recorded in the log'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-slot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l force -d 'Remove it even if slots are allocated or saved work is left'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand remove-pool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l disk -d 'Show the disk use, too: of pools, or of a pool\'s slots and repository'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l check -d 'Exit with 1 if anything needs attention'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l only -d 'Look for this kind of finding only; may be repeated' -r -f -a "unfinished_operation\t'A command ended in the middle of its work on a slot'
missing_directory\t'A slot has no directory'
damaged_slot\t'A slot\'s files of git are damaged'
dead_owner\t'The process that owned a slot has ended'
expired_lease\t'The lease by which a slot was held has run out'
stale_allocation\t'A slot has been allocated for too long'
isolated_slot\t'A slot is out of use'
stale_git_lock\t'A lock file of git\'s was left behind by a killed git'
leftover\t'A file or directory was left behind by a killed command'
orphaned_lock\t'A lock file belongs to a slot or pool that is no more'
lost_registration\t'A slot is not registered in git'
foreign_registration\t'A worktree is registered in git that is no slot'
foreign_directory\t'A directory lies among the slots that is none'
unreadable_record\t'A pool\'s record cannot be read'
changed_config\t'What all slots share in git is not as the pool made it'
corrupt_objects\t'Objects of a pool\'s repository are missing or damaged'
unmounted\t'The disk that slots lie on seems not to be mounted'"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l max-age -d 'Report slots allocated for longer than this [default: stale_after of the settings]' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l dry-run -d 'Say what would be done and do nothing; exit with 1 if there is something'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l release-stale -d 'Release the slots that were allocated for too long, their work saved, unless their holder lives or a process is inside'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l force -d 'Rebuild a slot that does not verify, or the damaged repository of a pool; what can be read of the work is saved'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l reason -d 'Why, as it is shown by status' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand isolate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l fetch-max-age -d 'Do not fetch if the last fetch is at most this old' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l no-fetch -d 'Do not fetch; use what the last fetch brought'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand warm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand branches" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l format -d 'The form of the metrics [default: prometheus, with --json json]' -r -f -a "prometheus\t''
json\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l output -d 'Write them to FILE, which is replaced as a whole, and print nothing' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -f -a "show" -d 'Print the effective settings and where each comes from'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -f -a "check" -d 'Check pools.toml and name every problem with file, line and key'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and not __fish_seen_subcommand_from show check path" -f -a "path" -d 'Print the path of the settings file'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l toml -d 'Print them as a pools.toml'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand config; and __fish_seen_subcommand_from path" -s h -l help -d 'Print help'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l workspace -d 'Use the workspace in DIR' -r -f -a "(__fish_complete_directories)"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l config -d 'Read the settings from FILE instead of the workspace\'s pools.toml' -r -F
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l lock-timeout -d 'Wait for a busy lock at most this long ("30s", "2m", or plain seconds)' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l jobs -d 'Do at most N things at once; 0 is one per core' -r -f
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -l json -d 'Print one JSON document instead of text; errors are JSON too, on stderr'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -s q -l quiet -d 'Say nothing on stderr but warnings and errors'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -s v -l verbose -d 'Say what is done; twice: every git command with its time'
complete -c repo-pool -n "__fish_repo_pool_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
