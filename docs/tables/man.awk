# Fills a manual page (mdoc) in. A line of it that begins with '@' asks for rows of the tables:
#
#   @head PROGRAM COMMAND [--NAME]   what a command's page begins with, up to its synopsis, in which the
#                                    options named are left out
#   @synopsis PROGRAM COMMAND        the synopsis alone
#   @option PROGRAM COMMAND --NAME   an item for it; text that follows adds to it
#   @options PROGRAM COMMAND         items for those that have none yet
#   @common                          where the options of all commands are
#   @commands PROGRAM                an item for each command
#   @exit PROGRAM                    an item for each exit status
#   @key FILE KEY                    an item for it, in the section last named
#   @keys FILE [SECTION]             a heading, and items for those of it that have none yet
#   @section FILE [SECTION]          the heading alone
#   @record                          an item for each row of docs/record.md's table
#   @metrics                         an item for each metric, a heading for each family
#
# COMMAND is '-' for the program itself.

function quoted(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/--/, "\\-\\-", text)
    return text ~ /^[.']/ ? "\\&" text : text
}

# A sum may be too long for a line: it may be broken behind each plus.
function breakable(text)
{
    gsub(/\+/, "+\\:", text)
    return text
}

# Help as the tables have it becomes a sentence; a word that is written small stays so.
function sentence(text)
{
    if (text ~ /^[a-z][a-z]*[ ,;]/ && text !~ /^(libvirt|note or|status,) ?/)
        text = toupper(substr(text, 1, 1)) substr(text, 2)
    return text ~ /[.?!]$/ ? text : text "."
}

function markdown(text)
{
    text = quoted(text)
    while (match(text, /`[^`]*`/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" \
            substr(text, RSTART + RLENGTH)
    gsub(/\*\*/, "", text)
    gsub(/\. /, ".\n", text)
    return text
}

function flags(program, command, n,    text)
{
    text = "Fl -" option[program, command, n]
    if (letter[program, command, n] != "")
        text = "Fl " letter[program, command, n] " , " text
    if (value[program, command, n] != "")
        text = text " Ar " value[program, command, n]
    return text
}

function put_option(program, command, n)
{
    named("option " program SUBSEP command " " option[program, command, n],
          "option " program SUBSEP command)
    print ".It " flags(program, command, n)
    print quoted(sentence(option_help[program, command, n]))
}

function put_options(program, command, name,    n, found)
{
    for (n = 1; n <= option_count[program, command]; n++) {
        if (name == "" && ("option " program SUBSEP command " " option[program, command, n]) in seen)
            continue
        if (name != "" && name != "--" option[program, command, n])
            continue
        put_option(program, command, n)
        found = 1
    }
    if (!found)
        wrong("there is no such option, or none is left")
}

function put_head(program, command, without)
{
    print ".Dd " DATE "\n.Dt " toupper(program "-" command) " 1\n.Os cbsnap " VERSION
    print ".Sh NAME\n.Nm " program "-" command "\n.Nd " quoted(help[program, command])
    print ".Sh SYNOPSIS"
    put_synopsis(program, command, without)
}

# The options in `without` have a synopsis of their own.
function put_synopsis(program, command, without,    n)
{
    print command == "" ? ".Nm" : ".Nm " program " " command
    for (n = 1; n <= option_count[program, command]; n++)
        if (index(without " ", " --" option[program, command, n] " ") == 0)
            print ".Op " (value[program, command, n] == "" ? "Fl -" option[program, command, n] \
                      : "Fl -" option[program, command, n] " Ar " value[program, command, n])
    if (synopsis[program, command] ~ /^\[/)
        print ".Op Ar " substr(synopsis[program, command], 2, length(synopsis[program, command]) - 2)
    else if (synopsis[program, command] != "")
        print ".Ar " synopsis[program, command]
}

function put_commands(program,    n, count, name, list)
{
    count = split(commands[program], list, " ")
    for (n = 1; n <= count; n++) {
        name = list[n]
        print ".It " (program == "cbsnap-coord" ? "Xr cbsnap-coord-" name " 1" : "Cm " name) \
            (synopsis[program, name] != "" ? " Ar " synopsis[program, name] : "")
        print quoted(sentence(help[program, name]))
    }
}

function put_exits(program,    n)
{
    for (n = 1; n <= exit_count[program]; n++) {
        print ".It " exit_status[program, n]
        print quoted(sentence(exit_help[program, n]))
    }
}

function bounds(file, n)
{
    if (type[file, n] == "number")
        return "A whole number from " least[file, n] " to " most[file, n] "."
    if (type[file, n] == "yes or no")
        return "Yes or no."
    if (type[file, n] == "duration")
        return "A time such as 500ms, 5s, 2m or 1h, at most " most[file, n] / 3600000 "h."
    if (type[file, n] == "path")
        return "An absolute path."
    return type[file, n] == "list" ? "Any number of lines." : ""
}

function put_key(file, n)
{
    named("key " file " " section[file, n] " " key[file, n], "key " file)
    print ".It Cm " key[file, n] (type[file, n] == "list" ? " = ..." : " =" (fallback[file, n] == "" ? "" : " " quoted(fallback[file, n])))
    print quoted(sentence(key_help[file, n]))
    if (bounds(file, n) != "")
        print bounds(file, n)
}

function put_keys(file, sect, name,    n, found)
{
    for (n = 1; n <= key_count[file]; n++) {
        if (section[file, n] != sect || name != "" && name != key[file, n])
            continue
        if (name == "" && ("key " file " " sect " " key[file, n]) in seen)
            continue
        put_key(file, n)
        found = 1
    }
    if (!found)
        wrong("there is no such key in [" sect "] of " file ", or none is left")
}

function put_section(sect)
{
    sub(/ \*$/, " NAME", sect)
    print ".Ss [" sect "]"
}

# A path of the record that begins with '.' goes on where the one before branched off.
function put_member(line,    cell, before, path, paths)
{
    split(line, cell, " \\| ")
    sub(/^\| /, "", cell[1])
    gsub(/`|,/, "", cell[1])
    paths = ""
    while (match(cell[1], /[^ ]+/)) {
        path = substr(cell[1], RSTART, RLENGTH)
        cell[1] = substr(cell[1], RSTART + RLENGTH)
        if (path ~ /^\./) {
            sub(/\.[^.]*$/, "", before)
            path = before path
        }
        before = path
        paths = paths (paths == "" ? "" : " , ") path
    }
    sub(/ \|$/, "", cell[2])
    print ".It Va " paths
    print markdown(sentence(cell[2]))
}

# A heading for each family, as docs/metrics.md has it.
function put_metrics(    n)
{
    for (n = 1; n <= metric_count; n++) {
        if (family[n] != family[n - 1])
            print (n > 1 ? ".El\n" : "") ".Ss " toupper(substr(family[n], 1, 1)) substr(family[n], 2) \
                "\n.Bl -tag -width Ds"
        print ".It Cm " metric[n]
        print quoted(sentence(metric_help[n]))
        print breakable(quoted("(" unit[n] ", " kind[n] "; " source[n] ")"))
    }
    print ".El"
}

# ---- the page, line by line ------------------------------------------------------------------

FILENAME ~ /record\.md$/ {
    if (/^\| member /)
        rows = 1
    else if (!/^\|/)
        rows = 0
    else if (rows && !/^\|---/)
        members[++member_count] = $0
    next
}

/^@[a-z]/ {
    count = split($0, word, " ")
    program = file = word[2]
    command = word[3] == "-" ? "" : word[3]
    if (word[1] == "@head" && ((program, command) in help))
        put_head(program, command, $0)
    else if (word[1] == "@synopsis" && ((program, command) in help || command == ""))
        put_synopsis(program, command, "")
    else if (word[1] == "@common")
        print ".Pp\nThe options that all commands take\n.Pq Fl c , -config , -json , v\nare described in\n.Xr cbsnap-coord 1 ."
    else if (word[1] == "@option")
        put_options(program, command, word[4])
    else if (word[1] == "@options")
        put_options(program, command, "")
    else if (word[1] == "@commands")
        put_commands(program)
    else if (word[1] == "@exit")
        put_exits(program)
    else if (word[1] == "@section" || word[1] == "@keys") {
        sect = count > 3 ? word[3] " " word[4] : word[3]
        if (word[1] == "@section")
            put_section(sect)
        else
            put_keys(file, sect, "")
    } else if (word[1] == "@key")
        put_keys(file, sect, word[3])
    else if (word[1] == "@record")
        for (n = 1; n <= member_count; n++)
            put_member(members[n])
    else if (word[1] == "@metrics")
        put_metrics()
    else
        wrong("there is no " $0)
    next
}
{ print filled($0) }
