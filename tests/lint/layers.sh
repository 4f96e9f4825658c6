#!/usr/bin/env bash
# Reads the #include "…" lines of the tree against layers.txt: direction between folders, levels within
# one, cycles of headers, and nothing but headers included. Silent when all is well.
set -eu
cd "$(dirname "$0")/../.."
find common policy sbc rtpproxy tests -name '*.[ch]' 2>/dev/null | sort | xargs grep -HE '^[ 	]*#[ 	]*include[ 	]*"' |
	sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1 \2/' |
	awk -v rules=tests/lint/layers.txt '
function folder(f) { sub(/\/[^\/]*$/, "", f); return f }
function stem(f) { sub(/^.*\//, "", f); sub(/\.[ch]$/, "", f); return f }
function is_there(f) { return system("test -e " f) == 0 }
function name_of(f) { return (f in level) ? f : folder(f) "/" stem(f) }
function say(text) { print "layers: " text; bad = 1 }
# a/b/../c.h → a/c.h
function plain(f) { while (sub(/[^\/]+\/\.\.\//, "", f)) {} ; sub(/^\.\//, "", f); return f }
function place(from, name,   f) {
	if ((from, name) in seen) return seen[from, name]
	f = plain(folder(from) "/" name)
	if (!is_there(f)) f = plain(name)
	if (!is_there(f)) { say(from ": no such file: " name); f = "" }
	return seen[from, name] = f
}
function walk(h, way,   i, n, next_ones) {
	state[h] = 1
	n = split(headers[h], next_ones, " ")
	for (i = 1; i <= n; i++) {
		if (state[next_ones[i]] == 1) say("a cycle: " way " " next_ones[i])
		else if (!state[next_ones[i]]) walk(next_ones[i], way " " next_ones[i])
	}
	state[h] = 2
}
BEGIN {
	while ((getline line < rules) > 0) {
		if (line ~ /^#/ || line !~ /:/) continue
		n = split(line, w, /[ :]+/)
		if (w[1] != "not") known[w[2]] = 1
		for (i = 3 + (w[1] == "level"); i <= n; i++)
			if (w[1] == "may") may[w[2], w[i]] = 1
			else if (w[1] == "not") never[w[2], w[i]] = 1
			else { level[w[2] "/" w[i]] = w[3]; has_levels[w[2]] = 1 }
	}
}
{
	target = place($1, $2)
	if (target == "") next
	a = folder($1); b = folder(target)
	if (target !~ /\.h$/) say($1 " includes " target ": only headers are included")
	if (!known[a] && !told[a]++) say("layers.txt does not say what " a " may include")
	if (a != b && known[a] && !may[a, b]) say($1 " includes " target ": " a " may not see " b)
	if ((a, target) in never) say($1 " includes " target ": not for " a)
	if (a == b && has_levels[a] && stem($1) != stem(target)) {
		mine = name_of($1); other = name_of(target)
		if (!(mine in level) && !told[mine]++) say(mine " has no level in layers.txt")
		if (!(other in level) && !told[other]++) say(other " has no level in layers.txt")
		if ((mine in level) && (other in level) && level[other] > level[mine])
			say($1 " (level " level[mine] ") includes " target " (level " level[other] ")")
	}
	if ($1 ~ /\.h$/) headers[$1] = headers[$1] " " target
}
END {
	for (h in headers) if (!state[h]) walk(h, h)
	exit bad
}'
