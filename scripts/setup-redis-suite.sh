#!/usr/bin/env bash
# Prints the directory of the test suite of the redis-server that is installed: Debian's own source package of that
# version, unpacked into .work. It is fetched, never committed. Does nothing when it is there already.
# The machine's package sources stay as they are: apt gets a list and a cache of its own.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

scripts/setup-redis.sh >&2
command -v tclsh >/dev/null || install_packages tcl >&2
command -v dpkg-source >/dev/null || install_packages dpkg-dev >&2

package=$(dpkg-query --show --showformat '${source:Version}' redis-server)
version=${package#*:}
work=$PWD/.work/redis-suite
source=$work/redis-${version%%-*}
stamp=$work/stamp

if [ "$(cat "$stamp" 2>/dev/null)" != "$package" ]; then
    echo "setup: the source package redis $package into .work/redis-suite" >&2
    rm -rf "$work"
    mkdir -p "$work"/{sources,lists/partial,cache/archives/partial}
    # Debian's own archives only, in both forms in which a machine may name them.
    [ ! -f /etc/apt/sources.list ] || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$work/sources/debian.list"
    for file in /etc/apt/sources.list.d/debian*.sources; do
        [ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/sources/$(basename "$file")"
    done
    apt=(apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources"
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)")
    "${apt[@]}" update >&2
    (cd "$work" && "${apt[@]}" source "redis=$package" >apt.log 2>&1) || { cat "$work/apt.log" >&2; exit 1; }
    # Where the suite looks for what it would otherwise have to build.
    for tool in server cli benchmark; do
        ln -sf "$(command -v redis-$tool)" "$source/src/redis-$tool"
    done
    rm -rf "$work"/{sources,lists,cache}
    echo "$package" >"$stamp"
fi
echo "$source"
