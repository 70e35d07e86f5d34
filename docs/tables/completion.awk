# Fills a completion for bash or zsh in. A line of it that begins with '@' asks for rows of the tables,
# as branches of a `case` or as words:
#
#   @bash-options PROGRAM       COMMAND) its options and what each takes: '--limit N' --explain
#   @bash-arguments PROGRAM     COMMAND) what it takes itself
#   @zsh-options PROGRAM        COMMAND) specs of _arguments
#   @zsh-arguments PROGRAM      COMMAND) a spec of its argument
#   @zsh-commands PROGRAM       'NAME:what it does' for _describe
#   @bash-metrics, @zsh-metrics  names of metrics; @bash-commands PROGRAM  those of commands
#
# What a value may be is said by its word: the completion has a branch for each.
# "" is the program itself.

function shell(text)
{
    gsub(/'/, "'\\''", text)
    return "'" text "'"
}

# a spec of _arguments gives a meaning to these
function spec(text)
{
    gsub(/\\/, "\\\\", text)
    gsub(/:/, "\\:", text)
    gsub(/\[/, "\\[", text)
    gsub(/\]/, "\\]", text)
    return text
}

function action(what,    words)
{
    words = what # freeze|thaw is two words to choose from
    gsub(/\|/, " ", words)
    return what == "" ? "" : ":" what ":_cbsnap_value " words
}

function bash_options(program, command,    n, text)
{
    text = ""
    for (n = 1; n <= option_count[program, command]; n++) {
        if (letter[program, command, n] != "")
            text = text " " shell("-" letter[program, command, n] \
                                  (value[program, command, n] == "" ? "" : " " value[program, command, n]))
        text = text " " shell("--" option[program, command, n] \
                              (value[program, command, n] == "" ? "" : " " value[program, command, n]))
    }
    if (text != "")
        print "    " shell(command) ") printf '%s\\n'" text " ;;"
}

function zsh_options(program, command,    n, name, does)
{
    if (!option_count[program, command])
        return
    print "    " shell(command) ")\n        specs+=("
    for (n = 1; n <= option_count[program, command]; n++) {
        name = "--" option[program, command, n]
        does = "[" spec(option_help[program, command, n]) "]"
        if (letter[program, command, n] != "")
            print "            " shell("(-" letter[program, command, n] " " name ")-" \
                                       letter[program, command, n] does action(value[program, command, n]))
        print "            " shell((letter[program, command, n] == "" ? "" : \
                                    "(-" letter[program, command, n] " " name ")") name \
                                   (value[program, command, n] == "" ? "" : "=") does \
                                   action(value[program, command, n]))
    }
    print "        ) ;;"
}

function each(what, program,    n, count, list, arg)
{
    if (what ~ /options/)
        what ~ /bash/ ? bash_options(program, "") : zsh_options(program, "")
    count = split(commands[program], list, " ")
    for (n = 1; n <= count; n++) {
        arg = synopsis[program, list[n]]
        gsub(/[][]/, "", arg)
        if (what == "@bash-options")
            bash_options(program, list[n])
        else if (what == "@zsh-options")
            zsh_options(program, list[n])
        else if (what == "@bash-arguments" && arg != "")
            print "    " list[n] ") echo " shell(arg) " ;;"
        else if (what == "@zsh-arguments" && arg != "")
            print "    " list[n] ") specs+=(" shell("2" action(arg)) ") ;;"
        else if (what == "@zsh-commands")
            print "        " shell(list[n] ":" spec(help[program, list[n]]))
    }
}

/^@(bash|zsh)-metrics$/ {
    for (n = 1; n <= metric_count; n++)
        print /bash/ ? metric[n] : "            " shell(metric[n])
    next
}
/^@bash-commands / {
    split($0, word, " ")
    print "    printf '%s\\n'" commands[word[2]]
    next
}
/^@(bash|zsh)-(options|arguments|commands) / {
    split($0, word, " ")
    if (!(word[2] in commands))
        wrong("there is no program " word[2])
    each(word[1], word[2])
    next
}
/^@/ { wrong("there is no " $0); next }
{ print filled($0) }
