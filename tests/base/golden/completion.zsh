#compdef skerry
# zsh completion for skerry: put it as _skerry into a folder of $fpath
_skerry() {
    local command=$words[2]
    local -a commands
    commands=(
        'serve:Serves models over HTTP'
        'model:inspect list'
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    case $command in
    model)
        if ((CURRENT == 3)); then
            compadd inspect list
            return
        fi
        command="$command $words[3]"
        shift words
        ((CURRENT--)) ;;
    esac
    shift words
    ((CURRENT--))
    case $command in
    'serve')
        _arguments '--help[print help]' \
            '-H[address to listen on]:ADDR:' \
            '--host=[address to listen on]:ADDR:' \
            '-p[port; 0 picks a free one]:N:' \
            '--port=[port; 0 picks a free one]:N:' \
            '-w[reload changed models]' \
            '--watch[reload changed models]' \
            '-c[keep what was made]' \
            '--cache[keep what was made]' \
            '--rate=[it'\''s requests \[per\] second\: a sentence that is long enough to be wrapped onto a second line]:N:' \
            '--max-size=[largest size]:SIZE:' \
            '--wait=[longest wait]:TIME:' \
            '--device=[where it runs]:DEVICE:(auto cpu cuda)' \
            '*-t[a word to keep]:TEXT:' \
            '*--tag=[a word to keep]:TEXT:' \
            '--a-file-with-a-long-name=[something to read]:FILE:_files' '*:operand:_files' ;;
    'model inspect')
        _arguments '--help[print help]' '*:operand:_files' ;;
    'model list')
        _arguments '--help[print help]' \
            '-H[address to listen on]:ADDR:' \
            '--host=[address to listen on]:ADDR:' \
            '-p[port; 0 picks a free one]:N:' \
            '--port=[port; 0 picks a free one]:N:' \
            '-w[reload changed models]' \
            '--watch[reload changed models]' \
            '-c[keep what was made]' \
            '--cache[keep what was made]' \
            '--rate=[it'\''s requests \[per\] second\: a sentence that is long enough to be wrapped onto a second line]:N:' \
            '--max-size=[largest size]:SIZE:' \
            '--wait=[longest wait]:TIME:' \
            '--device=[where it runs]:DEVICE:(auto cpu cuda)' \
            '*-t[a word to keep]:TEXT:' \
            '*--tag=[a word to keep]:TEXT:' \
            '--a-file-with-a-long-name=[something to read]:FILE:_files' ;;
    esac
}
_skerry "$@"
