# fish completion for rdbg. `rdbg completion fish` prints this.
function __rdbg_complete
    set -l words (commandline -opc) (commandline -ct | string unescape)
    test (commandline -ct) = ''; and set words (commandline -opc) ''
    set -l answer ($words[1] --complete $words[2..-1] 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l kind (string split \t -- $answer[1])
    for line in $answer[2..-1]
        echo $line
    end
    set -l path (string sub -s (math 1 + (string length -- $kind[2])) -- $words[-1])
    switch $kind[1]
        case files
            for each in (__fish_complete_path $path)
                echo $kind[2]$each
            end
        case folders
            for each in (__fish_complete_directories $path '')
                echo $kind[2]$each
            end
    end
end
complete -c rdbg -f -a '(__rdbg_complete)'
