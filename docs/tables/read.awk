# Reads what docs/tables/print.h prints, replaces @NAME@ in what is filled in, and keeps account of what
# a page has named. The files are: tables first, then the page; NAME=VALUE between them.
BEGIN { FS = "\t"; bad = 0 }

# ---- tables ----------------------------------------------------------------------------------

FILENAME ~ /\.tables$/ && $1 == "command" {
    commands[$2] = commands[$2] " " $3
    synopsis[$2, $3] = $4
    help[$2, $3] = $5
    next
}
FILENAME ~ /\.tables$/ && $1 == "option" {
    n = ++option_count[$2, $3]
    letter[$2, $3, n] = $4
    option[$2, $3, n] = $5
    value[$2, $3, n] = $6
    option_help[$2, $3, n] = $7
    next
}
FILENAME ~ /\.tables$/ && $1 == "exit" {
    n = ++exit_count[$2]
    exit_status[$2, n] = $3
    exit_help[$2, n] = $4
    next
}
FILENAME ~ /\.tables$/ && $1 == "key" {
    n = ++key_count[$2]
    section[$2, n] = $3
    key[$2, n] = $4
    type[$2, n] = $5
    fallback[$2, n] = $6
    least[$2, n] = $7
    most[$2, n] = $8
    key_help[$2, n] = $9
    next
}
FILENAME ~ /\.tables$/ && $1 == "metric" {
    n = ++metric_count
    family[n] = $2
    metric[n] = $3
    unit[n] = $4
    kind[n] = $5
    source[n] = $6
    metric_help[n] = $7
    next
}
FILENAME ~ /\.tables$/ { wrong("there is no table '" $1 "'"); next }

# ---- the page --------------------------------------------------------------------------------

function wrong(text)
{
    print FILENAME ":" FNR ": " text > "/dev/stderr"
    bad = 1
}

function filled(line)
{
    gsub(/@SYSCONFDIR@/, SYSCONFDIR, line)
    gsub(/@SBINDIR@/, SBINDIR, line)
    gsub(/@LIBEXECDIR@/, LIBEXECDIR, line)
    gsub(/@HOOKDIR@/, HOOKDIR, line)
    gsub(/@VERSION@/, VERSION, line)
    gsub(/@DATE@/, DATE, line)
    if (line ~ /@[A-Z]+@/)
        wrong("nothing is known to put there: " line)
    return line
}

# What a page names twice, or of a table only in part, is a fault of the page.
function named(what, whole)
{
    if (what in seen)
        wrong("named twice: " what)
    seen[what] = 1
    wanted[whole] = 1
}

function check_whole(    n, at, whole)
{
    for (at in option_count) {
        split(at, part, SUBSEP)
        for (n = 1; n <= option_count[at]; n++)
            if (("option " at) in wanted && !(("option " at " " option[part[1], part[2], n]) in seen))
                wrong("does not name --" option[part[1], part[2], n] " of " part[1] " " part[2])
    }
    for (at in key_count)
        for (n = 1; n <= key_count[at]; n++)
            if (("key " at) in wanted && !(("key " at " " section[at, n] " " key[at, n]) in seen))
                wrong("does not name " key[at, n] " in [" section[at, n] "] of " at)
}

END {
    check_whole()
    exit bad
}
