#!/usr/bin/env bash
# The service units keep their hardening: exposure as systemd-analyze counts it, no mistakes in them.
cd "$(dirname "$0")/../../.." || exit 1
n=0 bad=0
check() { # check NAME COMMAND…
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n - $name"; else
		echo "not ok $n - $name"
		bad=$((bad + 1))
	fi
}
exposure() { systemd-analyze security --offline=true "systemd/$1" 2>/dev/null | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'; }
at_most() { awk -v a="$(exposure "$1")" -v b="$2" 'BEGIN { exit !(a != "" && a <= b) }'; }
no_mistake() { # programs that are not installed here are no mistake of the unit
	! systemd-analyze verify "systemd/$1" 2>&1 | grep "$1" | grep -v -e 'is not executable' -e 'not found' | grep -q .
}

if ! command -v systemd-analyze >/dev/null || ! systemd-analyze security --help 2>&1 | grep -q offline; then
	echo "ok 1 - units # SKIP no systemd-analyze with --offline here"
	echo 1..1
	exit 0
fi
check "signalling: exposure at most 1.4 (it is $(exposure sallyport-sbc.service))" at_most sallyport-sbc.service 1.4
check "relay: exposure at most 1.2 (it is $(exposure sallyport-rtpproxy.service))" at_most sallyport-rtpproxy.service 1.2
check "signalling: the unit has no mistakes" no_mistake sallyport-sbc.service
check "relay: the unit has no mistakes" no_mistake sallyport-rtpproxy.service
check "the relay's loader: exposure at most 3.5 (it is $(exposure sallyport-bpf.service))" at_most sallyport-bpf.service 3.5
check "the relay's loader: the unit has no mistakes" no_mistake sallyport-bpf.service
check "bans: exposure at most 1.6 (it is $(exposure sallyport-ban.service))" at_most sallyport-ban.service 1.6
check "bans: the unit has no mistakes" no_mistake sallyport-ban.service
check "bans: CAP_NET_ADMIN alone" sh -c "grep -qx CapabilityBoundingSet=CAP_NET_ADMIN systemd/sallyport-ban.service && grep -qx LimitCORE=0 systemd/sallyport-ban.service"
for u in sbc rtpproxy; do
	check "$u: notify, watchdog, restart" sh -c "grep -qx Type=notify systemd/sallyport-$u.service && grep -qx WatchdogSec=10 systemd/sallyport-$u.service && grep -qx Restart=always systemd/sallyport-$u.service"
	check "$u: no capabilities, no core files" sh -c "grep -qx CapabilityBoundingSet= systemd/sallyport-$u.service && grep -qx LimitCORE=0 systemd/sallyport-$u.service"
done
echo "1..$n"
[ "$bad" -eq 0 ]
