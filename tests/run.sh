#!/usr/bin/env bash
# Runs the layers named (unit fuzz sim e2e), shows what failed, and closes with "N passed, N failed".
# Every test program prints TAP on stdout: "ok N - name" or "not ok N - name"; one that ends with another
# status than its lines say, or prints none, counts as one failure.
set -u
cd "$(dirname "$0")/.."
out=build/test-log
mkdir -p "$out"
passed=0 failed=0
export CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1

run() { # run NAME COMMAND…
	local name=$1 log="$out/$1.log" ok bad status
	shift
	"$@" >"$log" 2>&1
	status=$?
	ok=$(grep -cE '^ok ' "$log")
	# cmocka says "not ok N # SKIP name" of what this machine cannot do.
	bad=$(grep -E '^not ok ' "$log" | grep -cvE '^not ok [0-9]+ # SKIP')
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad)) -eq 0 ]; then
		bad=$((bad + 1))
	fi
	passed=$((passed + ok)) failed=$((failed + bad))
	if [ "$bad" -gt 0 ]; then
		printf 'FAILED  %s (status %s), from %s:\n' "$name" "$status" "$log"
		{ grep -E -A8 '^not ok ' "$log"; tail -n 25 "$log"; } | head -n 60 | sed 's/^/        /'
	else
		printf '%-7s %s (%d)\n' passed "$name" "$ok"
	fi
}

for layer in "$@"; do
	case $layer in
	# The oracle again without sanitizers: a million packets, the processor's instructions masked for libcrypto in a part.
	unit) run srtp-million env ORACLE_PACKETS=840000 build/rel/tests/unit/test_srtp_oracle
		run srtp-no-sha env ORACLE_PACKETS=80000 ORACLE_ENGINE=openssl 'OPENSSL_ia32cap=:~0x20000000' build/rel/tests/unit/test_srtp_oracle
		run srtp-no-aes env ORACLE_PACKETS=80000 ORACLE_ENGINE=openssl 'OPENSSL_ia32cap=~0x1200000200000000:0' build/rel/tests/unit/test_srtp_oracle
		for t in tests/unit/test_*.c; do t=$(basename "$t" .c); run "$t" build/asan/tests/unit/"$t"; done
		[ -e build/asan/tests/bpf/test_bpf ] && run test_bpf build/asan/tests/bpf/test_bpf ;;
	fuzz) for t in tests/fuzz/fuzz_*.c; do t=$(basename "$t" .c)
		[ -e "tests/fuzz/$t.c" ] && run "$t" build/asan/tests/fuzz/"$t" "tests/fuzz/corpus/${t#fuzz_}"; done ;;
	sim) [ -e tests/sim/world.c ] && run sim build/rel/tests/sim/world --seeds 300 && run sim-asan build/asan/tests/sim/world --seeds 20 &&
		run sim-self build/rel/tests/sim/world --self-test --page docs/invariants.md &&
		run sim-two build/rel/tests/sim/world --two &&
		run sim-hour build/rel/tests/sim/world --hour --calls 3000 && run town build/rel/tests/town/town ;;
	conformance) run conformance tests/conformance/report.py --check ;;
	e2e) for t in tests/e2e/plays/*; do [ -x "$t" ] && run "e2e-$(basename "${t%.*}")" "$t"; done ;;
	esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
