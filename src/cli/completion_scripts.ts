/**
 * The scripts that let a shell complete our command lines.
 *
 * They know nothing of the commands: each hands the words typed so far to the
 * program and shows what that proposes (`complete.ts`). Files are the shell's
 * own business, because it knows how their names are quoted.
 *
 * @module
 */

/** Bash 4.4 or newer; the package bash-completion is not needed. */
export const BASH = `# Completion of volant for bash.
_volant() {
    local rest=\${COMP_LINE:0:COMP_POINT} words=() part trimmed i
    # Bash breaks words at = and : too; what no space parts is put together again.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=\${rest#"\${rest%%[![:space:]]*}"}
        part=\${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && part=$trimmed
        if ((i > 0)) && [[ $trimmed == "$rest" ]]; then
            words[-1]+=$part
        else
            words+=("$part")
        fi
        rest=\${trimmed#"$part"}
    done
    words=("\${words[@]//\\\\/}")
    local typed=\${words[-1]#[\\"\\']} breaks=\${COMP_WORDBREAKS//[^=:]/} kept=
    # What bash replaces begins behind the last of them.
    if [[ -n $breaks && $typed == *["$breaks"]* ]]; then
        kept=\${typed%"\${typed##*["$breaks"]}"}
    fi
    words[-1]=$typed
    local program=\${words[0]/#\\~\\//$HOME/} word about file
    COMPREPLY=()
    while IFS=$'\\t' read -r word about; do
        if [[ $word == :files ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r file; do
                file=$about$file
                COMPREPLY+=("\${file#"$kept"}")
            done < <(compgen -f -- "\${typed#"$about"}")
        else
            [[ $word == *: ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("\${word#"$kept"}")
        fi
    done < <("$program" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _volant volant volar fledge
`;

/** Works sourced, and as the file _volant of a folder in fpath. */
export const ZSH = `#compdef volant volar fledge
# Completion of volant for zsh.
_volant() {
    local line word about
    local -a lines words_ kinds
    lines=("\${(@f)$(\${~words[1]} __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
    local files=0 before=
    for line in $lines; do
        word=\${line%%$'\\t'*}
        about=
        [[ $line == *$'\\t'* ]] && about=\${line#*$'\\t'}
        if [[ $word == :files ]]; then
            files=1
            before=$about
        elif [[ $word == *: ]]; then
            kinds+=("$word")
        else
            words_+=("\${word//:/\\\\:}\${about:+:$about}")
        fi
    done
    (( $#words_ )) && _describe -t volant volant words_
    (( $#kinds )) && compadd -S '' -- $kinds
    if (( files )); then
        [[ -n $before ]] && compset -P "\${(b)before}"
        _files
    fi
}
if [[ $funcstack[1] == _volant ]]; then
    _volant "$@"
else
    compdef _volant volant volar fledge
fi
`;

export const FISH = `# Completion of volant for fish.
function __volant_complete
    set -l typed (commandline -ct | string unescape)
    set -l before (commandline -opc)
    set -l program $before[1]
    set -e before[1]
    for line in ($program __complete $before "$typed" 2>/dev/null)
        set -l parts (string split -m 1 \\t -- $line)
        if test "$parts[1]" = :files
            set -l prefix "$parts[2]"
            set -l start (math (string length -- "$prefix") + 1)
            for file in (__fish_complete_path (string sub -s $start -- "$typed"))
                echo -- $prefix$file
            end
        else
            echo -- $line
        end
    end
end
for program in volant volar fledge
    complete -c $program -f -a '(__volant_complete)'
end
`;
