#!/bin/sh
# Write the lock files anew, one for each role. Needs uv. The files hold versions and hashes, no addresses.
set -eu
cd "$(dirname "$0")/.."

lock() {
    name=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "requirements/lock.sh" "$@" pyproject.toml requirements/build.in -o "requirements/$name.txt"
}

lock dev --extra embedded --extra batman --extra psls --extra s3 --extra dev "$@"
lock embedded --extra embedded --extra batman --constraint requirements/dev.txt "$@"
lock service --extra service --extra postgresql --extra mysql --extra s3 --constraint requirements/dev.txt "$@"
lock worker --extra worker --extra science --extra batman --constraint requirements/dev.txt "$@"
lock psls --extra psls --constraint requirements/dev.txt "$@"

# Servers that tests speak to. Their dependencies would hold back those of the project, so they have a place of their own.
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "requirements/lock.sh" requirements/servers.in -o requirements/servers.txt "$@"

# The installer itself, which pip installs first.
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "requirements/lock.sh" requirements/uv.in -o requirements/uv.txt "$@"
