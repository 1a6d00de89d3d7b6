# Sourced by the other set-up scripts: a plain apt-get install, as root or through sudo.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Installs Debian packages and says so first; on other systems it names what is missing and stops.
install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "setup: missing: $*. This system has no apt-get; install the same with its own package manager." >&2
        exit 1
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup: missing: $*. Neither root nor sudo; run as root: apt-get install $*" >&2
            exit 1
        fi
        root=(sudo)
    fi
    echo "setup: installing $* (Debian packages)"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# True when the stamp $1 was written for exactly the content of the files that follow.
stamp_is_fresh() {
    local stamp=$1
    shift
    [ -f "$stamp" ] && [ "$(cat "$@" | sha256sum)" = "$(cat "$stamp")" ]
}

write_stamp() {
    local stamp=$1
    shift
    cat "$@" | sha256sum >"$stamp"
}
