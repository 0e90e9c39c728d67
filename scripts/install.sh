#!/bin/sh
# Install one list of pinned, hashed requirements in .venv: with uv if it is there, else with pip.
set -eu

if [ -x .venv/bin/uv ]; then
    VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --require-hashes -r "$1"
else
    .venv/bin/python -m pip install --quiet --require-hashes -r "$1"
fi
