#!/usr/bin/env bash
# The steps by which the container is built, shared by the Dockerfile and by CI, which has no container engine.
# usage: container-steps.sh DESTINATION  installs what runs into DESTINATION/venv and checks that it starts.
set -euo pipefail
destination=$1
here=$(cd "$(dirname "$0")/.." && pwd)
python=$destination/venv/bin/python

python3 -m venv "$destination/venv"
"$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir -r "$here/requirements.txt"
cd "$here"
"$python" -m services show --help >/dev/null
"$python" -c "import services.sync; services.sync.discover()"

# The web server as the container starts it answers its own health check.
trial=$(mktemp -d)
port=$("$python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
cat >"$trial/throughline.toml" <<'TOML'
[team]
name = "Trial"

[[source]]
kind = "gitlab"
name = "gitlab"
url = "https://gitlab.example.com"
token = { env = "GITLAB_TOKEN" }
groups = ["trial"]
TOML
"$python" -m services run --only web --port "$port" --config "$trial/throughline.toml" --store "$trial/store.sqlite3" \
  >"$trial/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$trial"' EXIT
for _ in $(seq 60); do
  if "$python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/healthz', timeout=4)" 2>/dev/null
  then exit 0; fi
  sleep 1
done
cat "$trial/log" >&2
exit 1
