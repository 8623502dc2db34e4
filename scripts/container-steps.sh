#!/usr/bin/env bash
# The steps by which the container is built, shared by the Dockerfile and by CI, which has no container engine.
# usage: container-steps.sh DESTINATION  installs what runs into DESTINATION/venv and checks that it starts.
set -euo pipefail
destination=$1
here=$(cd "$(dirname "$0")/.." && pwd)

python3 -m venv "$destination/venv"
"$destination/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir -r "$here/requirements.txt"
cd "$here"
"$destination/venv/bin/python" -m services --help >/dev/null
"$destination/venv/bin/python" -m services show --help >/dev/null
