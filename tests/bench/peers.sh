#!/usr/bin/env bash
# Whole daemons under load, beside the peers that are installed. Needs two cores: server on 0, generator on 1.
set -eu
cd "$(dirname "$0")"
./media.py
./signalling.py
