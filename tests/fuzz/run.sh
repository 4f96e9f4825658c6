#!/usr/bin/env bash
# Runs each libFuzzer target for SECONDS (default 60), or those named behind it: run.sh 600 sdp json
# What is new goes to build/fuzz/corpus/NAME, what breaks to build/fuzz/crash/NAME-…; the inputs that
# are worth keeping are copied by hand to tests/fuzz/corpus/NAME, which `make test` replays.
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
broken=0
mkdir -p build/fuzz/crash
for t in build/fuzz/tests/fuzz/fuzz_*; do
	[ -x "$t" ] && [ -f "$t" ] || continue
	case $t in *.o | *.d) continue ;; esac
	name=${t##*/fuzz_}
	if [ $# -gt 0 ]; then
		case " $* " in *" $name "*) ;; *) continue ;; esac
	fi
	mkdir -p "build/fuzz/corpus/$name"
	log=build/fuzz/$name.log
	if "$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crash/$name-" \
		"build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		printf 'ok      %s: %s runs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
	else
		printf 'BROKEN  %s, from %s:\n' "$name" "$log"
		grep -aE 'ERROR|SUMMARY|runtime error|Test unit written|CHECK|artifact' "$log" | head -n 8 | sed 's/^/        /'
		broken=$((broken + 1))
	fi
done
[ "$broken" -eq 0 ]
