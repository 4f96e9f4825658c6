#!/usr/bin/env bash
# Every check that reads the code instead of running it. Each prints "ok" or what is wrong; the list of
# large things at the end is there to be read, with no verdict (style: limits). Under two minutes.
set -u
cd "$(dirname "$0")/../.."
failed=0
out=build/lint
jobs=$(nproc)
mkdir -p "$out"

check() { # check NAME COMMAND…
	local name=$1
	shift
	if "$@" >"$out/$name.log" 2>&1; then
		echo "ok      $name"
	else
		echo "FAILED  $name"
		head -n 60 "$out/$name.log" | sed 's/^/        /'
		failed=1
	fi
}

files() { # the tree's own files of these patterns
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z -- "$@" | while IFS= read -r -d '' f; do [ -e "$f" ] && printf '%s\0' "$f"; done
	else
		for p in "$@"; do find . -path ./build -prune -o -path ./tests/bench/load -prune -o -name "$p" -print0; done
	fi
}

format() {
	files '*.c' '*.h' ':!tests/bench/load' | xargs -0 -r -P "$jobs" -n 16 clang-format --dry-run -Werror
}

# Each archive of a core must come whole into a program with only the libraries it may have, and must
# not ask libc for sockets, clocks and the like.
links() {
	local archives=() bad=0 list but
	for a in sbc_core rtpproxy_core policy common; do
		ls "${a/_//}"/*.c >/dev/null 2>&1 && archives+=("build/rel/lib/$a.a")
	done
	make -s -j"$jobs" "${archives[@]}" || return 1
	echo 'int main(void) { return 0; }' >"$out/empty.c"
	link() { # link NAME ARCHIVES… -- LIBRARIES…
		local name=$1 in=()
		shift
		while [ "$1" != -- ]; do [ -e "build/rel/lib/$1.a" ] && in+=("build/rel/lib/$1.a"); shift; done
		shift
		gcc -o "$out/$name" "$out/empty.c" -Wl,--whole-archive "${in[@]}" -Wl,--no-whole-archive -Wl,--no-as-needed "$@" -pthread || bad=1
	}
	link common common -- -lcrypto -lyaml -ljansson -lm
	link policy policy common -- -lcrypto -lyaml -ljansson -lpcre2-8 -lm
	link sbc_core sbc_core policy common -- -lcrypto -lyaml -ljansson -lpcre2-8 -losipparser2 -lm
	local ipsec=()
	[ -e /usr/include/intel-ipsec-mb.h ] && ipsec=(-lIPSec_MB)
	link rtpproxy_core rtpproxy_core common -- -lssl -lcrypto -lyaml -ljansson -lsrtp2 "${ipsec[@]}" -lm
	list=$(sed -n 's/^unlinked: *//p' tests/lint/purity.txt | tr ' ' '|')
	but=$(sed -n 's/^but: *//p' tests/lint/purity.txt | tr ' ' '|')
	for a in "${archives[@]}"; do
		nm -A -u "$a" 2>/dev/null | grep -vE "[:/]($but):" | grep -E " U ($list)(@.*)?\$" && bad=1
	done
	return $bad
}

cpp_check() {
	mkdir -p build/cppcheck
	files '*.c' | tr '\0' '\n' | grep -v -e '^tests/' -e '\.bpf\.c$' >"$out/cppcheck.files"
	cppcheck --quiet --std=c11 -I. -D_GNU_SOURCE -DSALLYPORT_VERSION='"0"' -D__x86_64__ -D'NEVER(x)=(x)' --max-configs=2 \
		--enable=warning,portability --inline-suppr --suppress=missingIncludeSystem \
		--suppressions-list=tests/lint/cppcheck.txt -j "$jobs" --cppcheck-build-dir=build/cppcheck \
		--error-exitcode=1 --template='{file}:{line}: {severity} {id}: {message}' \
		--file-list="$out/cppcheck.files"
}

# No source is reachable but from its folder's archive, and no log of the tools is in the tree.
shells() {
	local bad=0 f
	for f in $(files '*.sh' .ci/run | tr '\0' '\n'); do
		bash -n "$f" || bad=1
	done
	return $bad
}

check layers tests/lint/layers.sh
check purity tests/lint/purity.sh
check links links
check format format
check cppcheck cpp_check
check shell shells
tests/lint/sizes.py
exit "$failed"
