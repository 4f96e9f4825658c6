#!/usr/bin/env bash
# Includes and calls against purity.txt. Silent when all is well.
set -eu
cd "$(dirname "$0")/../.."
rules=tests/lint/purity.txt

# Which system headers: `pure` folders have a list, `only` headers have files.
find common policy sbc rtpproxy tests -name '*.[ch]' 2>/dev/null | sort | xargs grep -HE '^[ 	]*#[ 	]*include[ 	]*<' |
	sed -E 's/^([^:]*):[^<]*<([^>]*)>.*/\1 \2/' |
	awk -v rules="$rules" '
function to_re(glob) { gsub(/\./, "[.]", glob); gsub(/\*/, ".*", glob); return "^" glob "$" }
function say(text) { print "purity: " text; bad = 1 }
BEGIN {
	while ((getline line < rules) > 0) {
		if (line !~ /^(pure|only) /) continue
		split(line, half, ":")
		n = split(half[1], left, " "); m = split(half[2], right, " ")
		for (i = 2; i <= n; i++) {
			if (left[1] == "only") only[++count] = to_re(left[i])
			else pure[left[i]] = 1
			for (k = 1; k <= m; k++)
				if (left[1] == "only") files[count] = files[count] " " to_re(right[k])
				else allowed[left[i], right[k]] = 1
		}
	}
}
{
	folder = $1; sub(/\/[^\/]*$/, "", folder)
	named = 0
	# The first rule that names the header decides.
	for (i = 1; i <= count && !named; i++)
		if ($2 ~ only[i]) {
			named = 1; ok = 0
			n = split(files[i], list, " ")
			for (k = 1; k <= n; k++) if ($1 ~ list[k]) ok = 1
			if (!ok) say($1 " includes <" $2 ">: not one of its files")
		}
	if (!named && (folder in pure) && !((folder, $2) in allowed))
		say($1 " includes <" $2 ">: cores may not")
}
END { exit bad }' || failed=1

# Which functions: comments and strings taken out first.
banned=$(sed -n 's/^banned: *//p' "$rules" | tr ' ' '|')
for f in $(find common policy sbc rtpproxy tests -path tests/bench/load -prune -o -name '*.[ch]' -print 2>/dev/null | sort); do
	gcc -fpreprocessed -dD -E -P -w -x c "$f" 2>/dev/null | sed 's/"\([^"\\]\|\\.\)*"//g' |
		grep -oE "(^|[^A-Za-z0-9_.>])($banned)[ ]*\(" | sed "s|^[^a-z]*|purity: $f calls |; s|\$|)|"
done | sort -u | grep . && failed=1

exit "${failed:-0}"
