"""The local Cloud Storage as the state backend of the real terraform: each apply is a generation, a lock is held."""

import json
import os
import shutil
import subprocess
from datetime import timedelta

import pytest
from google.cloud import storage

from tests.emulators.local_google import PROJECT, empty_upstreams, options, serving

pytestmark = pytest.mark.terraform

BUCKET, STATE, LOCK = "acme-tf-state", "env/prod/default.tfstate", "env/prod/default.tflock"
MAIN = """
terraform {
  backend "gcs" {
    bucket                  = "%s"
    prefix                  = "env/prod"
    access_token            = "any"
    storage_custom_endpoint = "%s/storage/v1/"
  }
}
variable "size" { default = "1" }
resource "terraform_data" "model" { input = var.size }
"""


@pytest.fixture
def upstreams():
    made = empty_upstreams()
    made.storage.buckets[BUCKET] = {"versioning": {"enabled": True}}
    return made


@pytest.fixture
def terraform(upstreams, tmp_path):
    program = shutil.which("terraform")
    if program is None:
        pytest.fail("terraform is not on PATH: install 1.5 or later from developer.hashicorp.com/terraform/install")

    def run(*arguments):
        upstreams.clock.advance(timedelta(minutes=1))
        return subprocess.run(
            [program, *arguments, "-no-color"],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith("TF_")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    with serving(upstreams) as url:
        (tmp_path / "main.tf").write_text(MAIN % (BUCKET, url))
        started = run("init", "-input=false")
        assert started.returncode == 0, started.stderr
        run.url = url
        yield run


def states(url):
    """Each generation of the state as our own reader finds it: oldest first."""
    client = storage.Client(project=PROJECT, **options(url))
    bucket = client.bucket(BUCKET)
    generations = [blob.generation for blob in client.list_blobs(BUCKET, prefix=STATE, versions=True)]
    found = [json.loads(bucket.blob(STATE, generation=one).download_as_bytes(retry=None)) for one in generations]
    client.close()
    return found


def test_each_apply_that_changes_something_is_a_new_generation(terraform):
    for size in ("1", "2", "2"):
        applied = terraform("apply", "-auto-approve", "-input=false", f"-var=size={size}")
        assert applied.returncode == 0, applied.stderr
    found = states(terraform.url)
    serials = [state["serial"] for state in found]
    assert serials == sorted(serials)
    assert len({state["lineage"] for state in found}) == 1
    assert [one["type"] for one in found[-1]["resources"]] == ["terraform_data"]
    sizes = [
        state["resources"][0]["instances"][0]["attributes"]["input"]["value"] for state in found if state["resources"]
    ]
    assert list(dict.fromkeys(sizes)) == ["1", "2"]


def test_a_lock_that_somebody_holds_stops_an_apply(terraform, upstreams):
    held = {"ID": "held-by-ada", "Operation": "OperationTypeApply", "Who": "ada@laptop", "Path": STATE}
    upstreams.storage.put(BUCKET, LOCK, json.dumps(held).encode(), upstreams.clock.now())
    refused = terraform("apply", "-auto-approve", "-input=false")
    assert refused.returncode == 1
    assert "ada@laptop" in refused.stderr
    assert all(not state["resources"] for state in states(terraform.url))
