#!/bin/sh
# Make a virtual environment with the suite in it: deploy/setup.sh FOLDER LOCKFILE
# On Debian and Ubuntu it installs the venv package itself where it is root, and otherwise says what is missing.
set -eu

venv=$1
lock=$2
pip="$venv/bin/python -m pip --disable-pip-version-check"

fail() {
    echo "setup: $1" >&2
    exit 1
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$name"
            return
        fi
    done
}

make_venv() {
    "$python" -m venv --clear "$venv" >/dev/null 2>&1
}

python=$(find_python)
[ -n "$python" ] || fail "Python 3.11 or newer is needed (on Debian: apt-get install python3 python3-venv)"

if [ ! -x "$venv/bin/python" ] && ! make_venv; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing python$version-venv" >&2
        apt-get update -qq && apt-get install -qq -y "python$version-venv" >/dev/null
    else
        fail "Python cannot make virtual environments here; on Debian: sudo apt-get install python$version-venv"
    fi
    make_venv || fail "$python -m venv $venv still fails"
fi

echo "setup: installing packages" >&2
deploy/install.sh "$venv" "$lock"
$pip install --quiet --no-deps --no-build-isolation --editable .

echo "setup: compiling the numerical kernels (half a minute)" >&2
"$venv/bin/python" -m eas_worker.science.warm_up
