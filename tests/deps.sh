#!/usr/bin/env bash
# The dependencies, as debian/control names them (the one list). `need` installs what is missing or says
# the one command that would; `install` always asks apt. Needs root, or sudo that asks no password.
set -eu
cd "$(dirname "$0")/.."

packages() { # the Build-Depends, without versions, profiles and debhelper (that one is for `make deb` only)
	sed -n '/^Build-Depends:/,/^[A-Z]/{s/^Build-Depends://;/^[A-Z]/d;p}' debian/control |
		tr ',' '\n' | sed "s/([^)]*)//; s/<[^>]*>//; s/\[$(dpkg --print-architecture)\]//; /\[/d; s/ //g" | grep -v -e '^$' -e '^debhelper-compat$'
}
missing() {
	for p in $(packages); do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || echo "$p"
	done
}

want=$(missing)
[ -n "$want" ] || exit 0
root=
if [ "$(id -u)" != 0 ]; then
	if sudo -n true 2>/dev/null; then root="sudo -n"; else
		echo "These packages are missing: $(echo $want)"
		echo "Install them with:  sudo apt-get install --no-install-recommends $(echo $want)"
		exit 1
	fi
fi
echo "Installing from Debian: $(echo $want)"
# No daemon that a package brings (kamailio, rtpengine) may start by itself: tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null && $root chmod +x $policy
	trap '$root rm -f $policy' EXIT
fi
$root apt-get update -qq
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $want >build-deps.log 2>&1 || {
	tail -n 20 build-deps.log
	exit 1
}
rm -f build-deps.log
