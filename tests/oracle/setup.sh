#!/bin/bash
# Makes .venv-bqemulator: the BigQuery oracle in an environment of its own, since its pinned versions of
# duckdb and sqlglot differ from ours. The spatial extension comes from PyPI, so that it starts offline.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.venv-bqemulator
if [ -e "$venv/ready" ]; then exit 0; fi
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check \
    bqemulator==1.4.0 duckdb==1.5.5 duckdb-extension-spatial==1.5.5 numpy==2.4.6
"$venv/bin/python" - "$venv/home" <<'PYTHON'
import pathlib
import shutil
import sys

import duckdb
import duckdb_extension_spatial

source = next(pathlib.Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension"))
platform = duckdb.sql("PRAGMA platform").fetchone()[0]
target = pathlib.Path(sys.argv[1], ".duckdb/extensions", f"v{duckdb.__version__}", platform)
target.mkdir(parents=True, exist_ok=True)
shutil.copy(source, target)
PYTHON
touch "$venv/ready"
