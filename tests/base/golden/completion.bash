# bash completion for skerry: source <(skerry completion bash)
_skerry()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]} options= operands=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'serve model --help --version' -- "$cur"))
        return
    fi
    case $command in
    model)
        if ((COMP_CWORD == 2)); then
            COMPREPLY=($(compgen -W 'inspect list' -- "$cur"))
            return
        fi
        command="$command ${COMP_WORDS[2]}" ;;
    esac
    case $command in
    'serve')
        case $prev in
        --host|-H) return ;;
        --port|-p) return ;;
        --rate) return ;;
        --max-size) return ;;
        --wait) return ;;
        --device) COMPREPLY=($(compgen -W 'auto cpu cuda' -- "$cur")); return ;;
        --tag|-t) return ;;
        --a-file-with-a-long-name) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        esac
        options='--host --port --watch --cache --rate --max-size --wait --device --tag --a-file-with-a-long-name --help'
        operands=files ;;
    'model inspect')
        case $prev in
        esac
        options='--help'
        operands=files ;;
    'model list')
        case $prev in
        --host|-H) return ;;
        --port|-p) return ;;
        --rate) return ;;
        --max-size) return ;;
        --wait) return ;;
        --device) COMPREPLY=($(compgen -W 'auto cpu cuda' -- "$cur")); return ;;
        --tag|-t) return ;;
        --a-file-with-a-long-name) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        esac
        options='--host --port --watch --cache --rate --max-size --wait --device --tag --a-file-with-a-long-name --help'
        operands= ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
    elif [[ $operands ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _skerry skerry
