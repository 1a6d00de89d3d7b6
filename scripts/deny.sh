#!/usr/bin/env bash
# cargo-deny over the dependency tree: bans, licences and sources always; advisories when their database can be fetched.
# The database is a git repository on another host, so a build machine without that road says so and goes on.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A database that has not answered by then counts as unreachable.
fetch_seconds=60

deny=$(scripts/setup-deny.sh)
"$deny" --version
"$deny" check bans licenses sources
if timeout "$fetch_seconds" "$deny" fetch db >/dev/null 2>&1; then
    "$deny" check advisories
else
    echo "deny: advisories NOT CHECKED: the advisory database could not be fetched from here. Run 'make deny' where it can."
fi
