"""The real terraform keeps its state in the local GitLab: versions, locks, conflicts and rollback."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from emulators.data import Token, Upstreams
from tests.emulators.gitlab_builders import TOKEN, a_small_gitlab, serving

pytestmark = pytest.mark.terraform

MAIN = """
terraform {
  backend "http" {}
}
variable "machine" { default = "n1-standard-4" }
resource "terraform_data" "endpoint" { input = var.machine }
"""
WRITER = "glpat-writer"


class Terraform:
    """A folder with a root module whose state is in the local GitLab."""

    def __init__(self, folder: Path, url: str, token: str = WRITER) -> None:
        program = shutil.which("terraform")
        assert program, "terraform >= 1.5 must be on PATH: https://developer.hashicorp.com/terraform/install"
        self.program, self.folder = program, folder
        self.address = f"{url}/api/v4/projects/1/terraform/state/churn"
        self.env = os.environ | {
            "TF_HTTP_ADDRESS": self.address, "TF_HTTP_LOCK_ADDRESS": f"{self.address}/lock",
            "TF_HTTP_UNLOCK_ADDRESS": f"{self.address}/lock", "TF_HTTP_LOCK_METHOD": "POST",
            "TF_HTTP_UNLOCK_METHOD": "DELETE", "TF_HTTP_USERNAME": "ada", "TF_HTTP_PASSWORD": token,
            "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_HTTP_RETRY_MAX": "0",
        }  # fmt: skip
        (folder / "main.tf").write_text(MAIN)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=90,
            check=False,
        )  # fmt: skip

    def do(self, *arguments: str) -> str:
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def get(self, path: str = "") -> httpx.Response:
        return httpx.get(f"{self.address}{path}", headers={"PRIVATE-TOKEN": TOKEN})


@pytest.fixture
def upstreams() -> Upstreams:
    found = a_small_gitlab()
    found.gitlab.tokens[WRITER] = Token(WRITER, scopes=("api",), username="ada")
    return found


@pytest.fixture
def terraform(upstreams: Upstreams, tmp_path: Path):
    with serving(upstreams) as (url, _):
        made = Terraform(tmp_path, url)
        made.do("init", "-input=false", "-no-color")
        yield made


def apply(terraform: Terraform, machine: str) -> None:
    terraform.do("apply", "-auto-approve", "-input=false", "-no-color", f"-var=machine={machine}")


def test_a_state_has_one_version_a_change_and_the_newest_is_the_state(terraform, upstreams):
    apply(terraform, "n1-standard-4")
    apply(terraform, "n1-highmem-8")
    state = upstreams.gitlab.states[1, "churn"]
    assert sorted(state.versions) == [1, 2]
    assert state.lock is None
    assert terraform.get().json()["serial"] == 2
    assert terraform.get("/versions/1").json()["serial"] == 1
    assert terraform.get("/versions/3").status_code == 404
    assert state.versions[2]["username"] == "ada"


def test_nothing_to_change_makes_no_version(terraform, upstreams):
    apply(terraform, "n1-standard-4")
    apply(terraform, "n1-standard-4")
    assert sorted(upstreams.gitlab.states[1, "churn"].versions) == [1]


def test_a_lock_that_somebody_holds_stops_a_plan_and_says_whose_it_is(terraform, upstreams):
    apply(terraform, "n1-standard-4")
    theirs = {"ID": "1111-2222", "Operation": "OperationTypeApply", "Info": "", "Who": "grace@laptop",
              "Version": "1.11.4", "Created": "2026-11-23T11:00:00Z", "Path": ""}  # fmt: skip
    taken = httpx.post(f"{terraform.address}/lock", json=theirs, auth=("grace", WRITER))
    assert taken.status_code == 200
    refused = terraform.run("plan", "-input=false", "-no-color")
    assert refused.returncode == 1
    assert "already locked: ID=1111-2222" in refused.stderr
    again = httpx.post(f"{terraform.address}/lock", json=theirs | {"ID": "3"}, auth=("ada", WRITER))
    assert (again.status_code, again.json()["Who"]) == (409, "grace@laptop")
    assert terraform.run("plan", "-lock=false", "-input=false").returncode == 0
    terraform.do("force-unlock", "-force", "1111-2222")
    assert upstreams.gitlab.states[1, "churn"].lock is None
    terraform.do("plan", "-input=false")


def test_only_the_holder_of_a_lock_may_write_or_unlock(terraform, upstreams):
    apply(terraform, "n1-standard-4")
    httpx.post(f"{terraform.address}/lock", json={"ID": "mine"}, auth=("ada", WRITER))
    body = terraform.get().content
    assert httpx.post(terraform.address, params={"ID": "theirs"}, content=body, auth=("x", WRITER)).status_code == 409
    assert httpx.post(terraform.address, content=body, auth=("x", WRITER)).status_code == 409
    wrong = httpx.request("DELETE", f"{terraform.address}/lock", json={"ID": "theirs"}, auth=("x", WRITER))
    assert wrong.status_code == 409
    assert upstreams.gitlab.states[1, "churn"].lock["ID"] == "mine"


def test_an_old_version_is_brought_back_by_state_push_as_a_new_serial(terraform, upstreams):
    apply(terraform, "n1-standard-4")
    apply(terraform, "n1-highmem-8")
    old = terraform.get("/versions/1").json() | {"serial": 2}
    (terraform.folder / "old.tfstate").write_text(json.dumps(old))
    terraform.do("state", "push", "-force", "old.tfstate")
    assert sorted(upstreams.gitlab.states[1, "churn"].versions) == [1, 2, 3]
    newest = terraform.get().json()
    assert newest["serial"] == 3
    assert newest["resources"][0]["instances"][0]["attributes"]["input"]["value"] == "n1-standard-4"


def test_a_token_that_may_only_read_cannot_write(upstreams, tmp_path):
    with serving(upstreams) as (url, _):
        reader = Terraform(tmp_path, url, token=TOKEN)
        reader.do("init", "-input=false")
        assert "invalid auth" in reader.run("apply", "-auto-approve", "-input=false", "-no-color").stderr
        assert reader.get().status_code == 404


def test_an_unknown_token_is_refused(upstreams, tmp_path):
    with serving(upstreams) as (url, _):
        stranger = Terraform(tmp_path, url, token="glpat-wrong")
        assert stranger.run("init", "-input=false").returncode == 1


def test_a_record_without_a_file_is_204_and_a_record_that_is_not_there_404(terraform):
    assert terraform.get().status_code == 404
    httpx.post(f"{terraform.address}/lock", json={"ID": "first"}, auth=("ada", WRITER))
    assert terraform.get().status_code == 204
    assert terraform.get().content == b""


def test_a_body_that_does_not_match_its_digest_is_no_version(terraform):
    answer = httpx.post(
        terraform.address, content=b'{"serial": 1}', headers={"Content-MD5": "bm90IGl0"}, auth=("ada", WRITER)
    )
    assert answer.status_code == 400
    assert terraform.get().status_code == 204
