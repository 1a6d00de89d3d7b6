#!/usr/bin/env bash
# Installs the browser that the console is tested in. Does nothing when it is there already.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

# Without a font nothing has a width.
command -v chromium >/dev/null || install_packages chromium fonts-dejavu-core
