#!/usr/bin/env bash
# Makes sure that redis-server is there, and a C compiler for the crates that need one.
# The Debian package starts a server of its own on port 6379; it is stopped again when this script
# is what installed it, because the demo and the tests start their own on ports of their own.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

command -v cc >/dev/null || install_packages gcc libc6-dev

if ! command -v redis-server >/dev/null; then
    install_packages redis-server
    if [ -d /run/systemd/system ]; then
        systemctl_command=(systemctl)
        [ "$(id -u)" -eq 0 ] || systemctl_command=(sudo systemctl)
        "${systemctl_command[@]}" disable --now --quiet redis-server || true
    fi
fi
