#!/usr/bin/env bash
# Makes .venv with the Python clients that the tests run. Does nothing when it is there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

requirements=tests/python/requirements.txt
stamp=.venv/.waxseal-stamp
stamp_is_fresh "$stamp" "$requirements" && exit 0

# Debian's python3 carries a venv module that fails without ensurepip, hence both imports.
python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
echo "setup: Python clients into .venv"
[ -x .venv/bin/pip ] || python3 -m venv --clear .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r "$requirements"
write_stamp "$stamp" "$requirements"
