"""What a replay folder that cannot be served is told: the file, the fault, the mend; and exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulators.clock import ManualClock
from emulators.replay import BadReplay, load
from tests.emulators.local_google import NOON

ROOT = Path(__file__).parents[2]
PROJECT = "gitlab/projects/44"
PIPELINE = {"id": 1, "status": "success"}
RUN = {"name": "projects/p/locations/l/pipelineJobs/a"}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


FAULTS = {
    "nothing": ({}, "holds nothing to replay", "gitlab"),
    "an unknown folder": ({"gitalb/projects.json": []}, "is not known to a replay", "gitlab, terraform"),
    "an unknown file in gitlab": ({"gitlab/project.json": []}, "is not known here", "projects.json"),
    "a project by name": ({"gitlab/projects/churn/jobs.json": []}, "is no project id", "number"),
    "a project without an id": ({"gitlab/projects.json": [{"name": "x"}]}, "item 0 has no 'id'", "a number"),
    "an id as text": ({"gitlab/projects.json": [{"id": "44"}]}, "'id' of item 0 is a text", "a number"),
    "an unknown collection": ({f"{PROJECT}/piplines.json": []}, "is no collection", "pipelines"),
    "no JSON": ({f"{PROJECT}/jobs.json": '[{"id": 1,\n}]'}, "line 2, column 1", "one JSON value"),
    "an empty file": ({f"{PROJECT}/jobs.json": ""}, "is not JSON", "one JSON value"),
    "no UTF-8": ({f"{PROJECT}/jobs.json": b"\xff\xfe"}, "is not UTF-8 (byte 0)", "save it as UTF-8"),
    "an object for a list": ({f"{PROJECT}/jobs.json": {}}, "holds an object", "a list of objects"),
    "a number in a list": ({f"{PROJECT}/jobs.json": [5]}, "item 0 is a number", "an object"),
    "a list for a map": ({f"{PROJECT}/compare.json": []}, "holds a list", "an object"),
    "a pipeline without a status": ({f"{PROJECT}/pipelines.json": [{"id": 1}]}, "item 0 has no 'status'", "a text"),
    "a job without its pipeline": (
        {f"{PROJECT}/jobs.json": [{"id": 1, "name": "a", "status": "success"}]}, "'pipeline.id'", "a number"),
    "the same id twice": (
        {f"{PROJECT}/pipelines.json": [PIPELINE, PIPELINE]}, "items 0 and 1 have the same id 1", "keep the newer"),
    "a log by another name": ({f"{PROJECT}/traces/test.log": "x"}, "is not named by a job's number", "4567.log"),
    "an unknown folder of a project": ({f"{PROJECT}/logs/7.log": "x"}, "is not known here", "traces/"),
    "another GraphQL answer": ({"gitlab/graphql/jobs.json": {}}, "is not known here", "terraformStates.json"),
    "no states in the answer": (
        {"gitlab/graphql/terraformStates.json": {"data": None}}, "holds no terraformStates", "terraformStates.nodes"),
    "a state of no project": (
        {"gitlab/graphql/terraformStates.json": [{"name": "prod", "lockedAt": None}]},
        "does not tell its project", "fullPath"),
    "a text plan": ({"terraform/prod.plan.txt": "x"}, "is neither a state nor a plan", "NAME.tfstate"),
    "an unknown Vertex collection": ({"vertex/runs.json": []}, "is no collection", "pipelineJobs"),
    "no list of resources": ({"vertex/models.json": {"name": "x"}}, "holds no list of resources", "list of objects"),
    "a field that Google lacks": (
        {"vertex/pipelineJobs.json": [RUN | {"colour": "red"}]}, "colour", "PipelineJob of Vertex AI v1"),
    "an enum word that Google lacks": (
        {"vertex/pipelineJobs.json": [RUN | {"state": "FINE"}]}, "state", "PipelineJob of Vertex AI v1"),
    "a resource by another name": (
        {"vertex/pipelineJobs.json": [{"name": "runs/1"}]}, "is named 'runs/1'", "pipelineJobs/ID"),
    "an evaluation without a name": ({"vertex/evaluations.json": [{}]}, "item 0 has no 'name'", "full resource name"),
    "no compiled pipeline": ({"vertex/specs/a.yaml": "a: 1"}, "is no compiled pipeline", "pipelineInfo and root"),
    "no YAML": ({"vertex/specs/a.yaml": "a: ]"}, "is not YAML", "compile the pipeline anew"),
    "a table without a dataset": ({"bigquery/metrics.json": []}, "does not tell its dataset", "DATASET.TABLE.json"),
    "a schema without rows": ({"bigquery/ml.m.schema.json": []}, "is a schema without rows", "ml.m.json"),
    "a schema that is none": (
        {"bigquery/ml.m.json": [], "bigquery/ml.m.schema.json": {}}, "holds no list of fields", "bq show"),
    "a type that BigQuery lacks": (
        {"bigquery/ml.m.json": [], "bigquery/ml.m.schema.json": [{"name": "a", "type": "TEXT"}]}, "'TEXT'", "STRING"),
    "a column that the schema lacks": (
        {"bigquery/ml.m.json": [{"b": 1}], "bigquery/ml.m.schema.json": [{"name": "a", "type": "STRING"}]},
        "item 0 has 'b'", "add it to ml.m.schema.json"),
    "a value of another type": (
        {"bigquery/ml.m.json": [{"a": "x"}], "bigquery/ml.m.schema.json": [{"name": "a", "type": "INTEGER"}]},
        "'a' of item 0 is 'x', no INTEGER", "mend the value"),
    "a value that is required": (
        {"bigquery/ml.m.json": [{}], "bigquery/ml.m.schema.json": [{"name": "a", "type": "DATE", "mode": "REQUIRED"}]},
        "lacks 'a'", "give it a value"),
    "values that do not agree": (
        {"bigquery/ml.m.json": [{"a": 1}, {"a": "x"}]}, "sometimes INTEGER and sometimes STRING", "ml.m.schema.json"),
    "an unknown version of Airflow": ({"airflow/v3/dags.json": {}}, "is no version of Airflow's API", "airflow/v1"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "fault", "mend"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_with_its_file_and_its_mend(tmp_path, files, fault, mend):
    with pytest.raises(BadReplay) as caught:
        load(write(tmp_path, files), ManualClock(NOON))
    assert fault in str(caught.value)
    assert mend in str(caught.value)
    told = {str(tmp_path / name) for name in files} | {str(tmp_path / name).rpartition("/")[0] for name in files}
    assert str(caught.value.path) in told | {str(tmp_path)}


def test_the_command_ends_with_2_and_the_message(tmp_path):
    folder = write(tmp_path / "recorded", {f"{PROJECT}/pipelines.json": [{"id": 1}]})
    command = [sys.executable, "-m", "emulators", "--replay", folder, "--state-dir", tmp_path / "state"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "pipelines.json: item 0 has no 'status'; give it a text" in ended.stderr
    assert "Traceback" not in ended.stderr
