#!/bin/sh
# Fetch what PSLS's wheel lacks, its star models and tables of systematic errors (130 MB): deploy/psls_data.sh [FOLDER]
# Without a folder they go where synthesis_psls looks for them. PYTHON says whose pip to use (.venv/bin/python).
# PSLS and its data are licensed under the GPL, version 3 or later.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
folder=${1:-$("$python" -c 'import sys; print(sys.prefix)')/share/psls}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The source archive of the locked version, checked against the lock's digests.
awk '/^psls==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements/psls.txt >"$scratch/psls.txt"
echo "psls: fetching its source archive (65 MB)" >&2
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary psls --no-build-isolation \
    --require-hashes --requirement "$scratch/psls.txt" --dest "$scratch"
mkdir "$scratch/source"
tar -xzf "$scratch"/psls-*.tar.gz -C "$scratch/source" --strip-components 1

mkdir -p "$folder"
for name in models systematics; do
    rm -rf "${folder:?}/$name"
    cp -R "$scratch/source/$name" "$folder/$name"
done
echo "psls: models and systematics are in $folder" >&2
