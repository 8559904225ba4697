#!/bin/sh
# Install the packages of a lock file into a virtual environment: deploy/install.sh FOLDER LOCKFILE
# uv does it in seconds. If uv cannot be had or cannot reach its index (it does not read pip.conf), pip does it in minutes.
set -eu

venv=$1
lock=$2
pip="$venv/bin/python -m pip --disable-pip-version-check"

if { [ -x "$venv/bin/uv" ] || $pip install --quiet --require-hashes -r requirements/uv.txt; } &&
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"; then
    exit 0
fi
echo "setup: uv failed; pip installs the packages instead (a minute or two)" >&2
$pip install --quiet --require-hashes -r "$lock"
