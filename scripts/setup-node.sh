#!/usr/bin/env bash
# Installs the Node clients that the tests run. Does nothing when they are there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

lock=tests/node/package-lock.json
stamp=tests/node/node_modules/.waxseal-stamp
stamp_is_fresh "$stamp" "$lock" && exit 0

{ command -v node && command -v npm; } >/dev/null || install_packages nodejs npm
echo "setup: Node clients into tests/node/node_modules"
(cd tests/node && npm ci --silent --no-audit --no-fund)
write_stamp "$stamp" "$lock"
