#!/usr/bin/env bash
# All benchmarks: our hot paths function by function, then our daemons beside the peers' where those are
# installed. Figures are CPU time; run it on a quiet machine. With names: only those (run.sh sdp table).
set -u
cd "$(dirname "$0")/../.."
failed=0
for b in build/rel/tests/bench/bench_*; do
	[ -x "$b" ] && [ -f "$b" ] || continue
	case $b in *.o | *.d) continue ;; esac
	name=${b##*/bench_}
	if [ $# -gt 0 ]; then
		case " $* " in *" $name "*) ;; *) continue ;; esac
	fi
	echo "== $name"
	"$b" || { echo "bench_$name failed"; failed=1; }
done
if [ $# -eq 0 ] && [ -x tests/bench/peers.sh ]; then
	tests/bench/peers.sh || failed=1
	echo "== overload"
	tests/bench/overload.py || failed=1
fi
exit "$failed"
