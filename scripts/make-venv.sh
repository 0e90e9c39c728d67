#!/bin/sh
# Make the virtual environment .venv with pip and, where it can be had, uv. Never needs root.
set -eu

python=${PYTHON:-python3}
uv=uv==0.13.9

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Klikvoor needs Python 3.11 or newer, and this is $("$python" --version)." >&2
    echo "Another one is chosen with PYTHON=python3.12 make …" >&2
    exit 1
fi

echo "Making .venv"
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv .venv
elif "$python" -m pip --version >/dev/null 2>&1; then
    # Debian keeps ensurepip in another package; the system's pip can start the environment too.
    "$python" -m venv --without-pip .venv
    "$python" -m pip --quiet --python .venv/bin/python install pip
else
    echo "This Python cannot make virtual environments. On Debian: apt install python3-venv" >&2
    exit 1
fi
.venv/bin/python -m pip install --quiet "$uv" 2>/dev/null ||
    echo "uv cannot be had here; pip does its work, which takes longer"
