# The commands that a page of documentation shows, each ended by ASCII's record separator: what stands in
# its indented blocks and in those fenced with ```sh. A here-document, a statement of SQL's and what is
# continued with "\" stay in one piece; a block that begins with [SECTION] or #! is a file and stays whole.
function flush() {
    if (text != "")
        printf "%s\036", text
    text = until = whole = ""
}
function take(line) {
    sub(/^\$ /, "", line)
    if (text == "") {
        whole = line ~ /^(\[|#!|CREATE USER)/
        if (match(line, /<<[A-Z]+/))
            until = substr(line, RSTART + 2, RLENGTH - 2)
    }
    text = text (text == "" ? "" : "\n") line
    if (until != "" ? line == until : !whole && line !~ /\\$/)
        flush()
}
/^```/ {
    fenced = fenced ? 0 : 1
    shown = $0 == "```sh"
    flush()
    next
}
fenced {
    if (shown && $0 != "")
        take($0)
    next
}
/^    / {
    if (indent == "") {
        match($0, /^ +/)
        indent = substr($0, 1, RLENGTH)
    }
    take(substr($0, 1, length(indent)) == indent ? substr($0, length(indent) + 1) : $0)
    next
}
/^$/ && indent != "" && until != "" {
    take("")
    next
}
{
    flush()
    indent = ""
}
END { flush() }
