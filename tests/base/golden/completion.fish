# fish completion for skerry: skerry completion fish | source
function __skerry_is
    set -l words (commandline -opc)
    set -l n (count $argv)
    set -l last (math $n + 1)
    test (count $words) -gt $n; and test "$words[2..$last]" = "$argv"
end
complete -c skerry -f -n 'test (count (commandline -opc)) -eq 1'
complete -c skerry -n 'test (count (commandline -opc)) -eq 1' -a serve -d 'Serves models over HTTP'
complete -c skerry -n '__skerry_is serve' -l host -s H -x -d 'address to listen on'
complete -c skerry -n '__skerry_is serve' -l port -s p -x -d 'port; 0 picks a free one'
complete -c skerry -n '__skerry_is serve' -l watch -s w -d 'reload changed models'
complete -c skerry -n '__skerry_is serve' -l cache -s c -d 'keep what was made'
complete -c skerry -n '__skerry_is serve' -l rate -x -d 'it\'s requests [per] second: a sentence that is long enough to be wrapped onto a second line'
complete -c skerry -n '__skerry_is serve' -l max-size -x -d 'largest size'
complete -c skerry -n '__skerry_is serve' -l wait -x -d 'longest wait'
complete -c skerry -n '__skerry_is serve' -l device -x -a 'auto cpu cuda' -d 'where it runs'
complete -c skerry -n '__skerry_is serve' -l tag -s t -x -d 'a word to keep'
complete -c skerry -n '__skerry_is serve' -l a-file-with-a-long-name -r -F -d 'something to read'
complete -c skerry -n 'test (count (commandline -opc)) -eq 1' -a model -d 'inspect list'
complete -c skerry -f -n '__skerry_is model; and test (count (commandline -opc)) -eq 2' -a inspect -d 'Tells what a model is'
complete -c skerry -f -n '__skerry_is model; and test (count (commandline -opc)) -eq 2' -a list -d 'Lists models'
complete -c skerry -n '__skerry_is model list' -l host -s H -x -d 'address to listen on'
complete -c skerry -n '__skerry_is model list' -l port -s p -x -d 'port; 0 picks a free one'
complete -c skerry -n '__skerry_is model list' -l watch -s w -d 'reload changed models'
complete -c skerry -n '__skerry_is model list' -l cache -s c -d 'keep what was made'
complete -c skerry -n '__skerry_is model list' -l rate -x -d 'it\'s requests [per] second: a sentence that is long enough to be wrapped onto a second line'
complete -c skerry -n '__skerry_is model list' -l max-size -x -d 'largest size'
complete -c skerry -n '__skerry_is model list' -l wait -x -d 'longest wait'
complete -c skerry -n '__skerry_is model list' -l device -x -a 'auto cpu cuda' -d 'where it runs'
complete -c skerry -n '__skerry_is model list' -l tag -s t -x -d 'a word to keep'
complete -c skerry -n '__skerry_is model list' -l a-file-with-a-long-name -r -F -d 'something to read'
