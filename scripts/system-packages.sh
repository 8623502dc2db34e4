#!/usr/bin/env bash
# Installs the system packages that the tests (and, with --runtime, the container) need.
# Debian and Ubuntu: by apt, with sudo where one is not root. Elsewhere it names what is missing.
set -euo pipefail

runtime=(ca-certificates)
tests=(chromium fonts-dejavu-core postgresql nodejs npm git jq)

wanted() {
  if [ "${1:-}" = "--runtime" ]; then printf '%s\n' "${runtime[@]}"; return; fi
  printf '%s\n' "${runtime[@]}"
  command -v chromium >/dev/null || printf 'chromium\nfonts-dejavu-core\n'
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  command -v git >/dev/null || echo git
  command -v jq >/dev/null || echo jq
}

missing=()
for package in $(wanted "${1:-}"); do
  if [ "$package" = ca-certificates ] && [ -e /etc/ssl/certs/ca-certificates.crt ]; then continue; fi
  missing+=("$package")
done

if [ "${1:-}" != "--runtime" ] && ! command -v terraform >/dev/null; then
  echo "terraform 1.5 or newer is needed on PATH: https://developer.hashicorp.com/terraform/install" >&2
  exit 1
fi

if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "please install, by your system's package manager: ${missing[*]} (of: ${runtime[*]} ${tests[*]})" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
