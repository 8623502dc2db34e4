"""Whether an independent implementation gives the answers that our queries expect: any new difference fails.

Run by name (`pytest tests/oracle/compare.py`) after `tests/oracle/setup.sh`; not part of the plain test run.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from tests.emulators.bigquery_builders import ask, connect
from tests.oracle.product_queries import PRODUCT, in_order
from tests.oracle.queries import DATASET, PROJECT, QUERIES, SCHEMA, rows

VENV = Path(__file__).parents[2] / ".venv-bqemulator"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """A running bqemulator that holds the same table; its environment is made by `setup.sh`."""
    program = VENV / "bin" / "bqemulator"
    if not program.exists():
        pytest.fail(f"no oracle at {program}; run tests/oracle/setup.sh")
    rest, grpc = free_port(), free_port()
    log = tmp_path_factory.mktemp("oracle") / "log"
    command = [program, "start", "--rest-port", str(rest), "--grpc-port", str(grpc)]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=os.environ | {"HOME": str(VENV / "home")}, stdout=output, stderr=output)
    try:
        _wait(f"http://127.0.0.1:{rest}", process, log)
        client = connect(f"http://127.0.0.1:{rest}")
        client.create_dataset(DATASET, retry=None)
        table = bigquery.Table(f"{PROJECT}.{DATASET}.metrics", [bigquery.SchemaField.from_api_repr(f) for f in SCHEMA])
        client.create_table(table, retry=None)
        sent = [row | {"ts": row["ts"].isoformat(), "day": row["day"].isoformat()} for row in rows()]
        assert client.insert_rows_json(table, sent, retry=None) == []
        yield client
        client.close()
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the oracle ended by itself:\n{log.read_text()[-2000:]}")
        try:
            httpx.get(f"{url}/bigquery/v2/projects/{PROJECT}/datasets", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the oracle did not answer within 60 s:\n{log.read_text()[-2000:]}")


def agrees(client: bigquery.Client, asked) -> bool:
    try:
        found = ask(client, asked.sql, *asked.parameters)
    except GoogleAPICallError:
        return asked.error
    if asked.error:
        return False
    expected = [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in asked.answer]
    return in_order(found) == in_order(expected) if asked in PRODUCT else found == expected


@pytest.mark.parametrize("asked", [pytest.param(one, id=one.name) for one in [*QUERIES, *PRODUCT]])
def test_the_oracle_agrees_or_is_known_to_differ(oracle, asked):
    """A difference that is listed and has gone fails too: then the list is out of date."""
    same = agrees(oracle, asked)
    if asked.oracle_differs:
        assert not same, f"the oracle agrees now; drop the note '{asked.oracle_differs}'"
    else:
        assert same, ask(oracle, asked.sql, *asked.parameters)
