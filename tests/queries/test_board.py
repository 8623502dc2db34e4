"""The board: in each environment the right version of each lane, joined by evidence, with the worst shown first."""

import pytest

from services.queries import board, discover
from services.queries.base import Filters
from services.records import MetricPoint, Ref
from services.store import schema
from services.store.upsert import insert_for
from services.timestamps import to_millis
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    PROJECT,
    SHA,
    a_change,
    a_config,
    a_deployment,
    a_link,
    a_model,
    a_model_version,
    a_plan,
    a_problem,
    a_project,
    a_run,
    a_source,
    a_stream,
    a_training,
    a_version,
    a_workspace,
    ago,
    an_endpoint,
    an_environment,
    belongs,
    put,
)

OTHER_SHA = "9f8e7d6c5b4a39281706f5e4d3c2b1a000000000"
METRIC = {"product": "demand-forecast", "model": "demand-forecast", "name": "wape", "better": "lower", "table": "m.t"}


def ask(store, filters=None, **sections):
    with store.read() as conn:
        return board.ask(conn, a_config(**sections), filters or Filters(), NOW)


def cell(store, column, environment="prod", **sections):
    rows = ask(store, **sections).data["rows"]
    return next(row for row in rows if row["environment"] == environment)["cells"][column]


@pytest.fixture
def gitlab(store):
    """A product with one project that has a production environment."""
    with store.write() as conn:
        source = a_source(conn)
        keys = put(conn, source, a_project(), an_environment("prod"))
        belongs(conn, "demand-forecast", "project", keys["11"])
        return source


def test_every_configured_environment_has_a_row_in_the_configured_order(store):
    assert [row["environment"] for row in ask(store).data["rows"]] == ["dev", "qa", "prod"]


def test_code_is_what_was_last_deployed_well_and_says_when_a_newer_try_failed(store, gitlab):
    with store.write() as conn:
        put(conn, gitlab, a_deployment("71"), a_deployment(
            "72", state=RunState.FAILED, sha=OTHER_SHA, label="9f8e7d6c", created_at=ago(hours=1)))  # fmt: skip
    code = cell(store, "code")
    assert (code["version"], code["state"], code["note"]) == ("a1b2c3d4", "failed", "9f8e7d6c failed")


def test_nothing_deployed_is_said_and_is_not_green(store, gitlab):
    with store.write() as conn:
        a_stream(conn, gitlab, "deployments")
    code = cell(store, "code")
    assert (code["state"], code["version"], code["title"]) == ("none", None, "nothing was deployed here")


def test_an_environment_named_nonprod_is_not_production(store, gitlab):
    with store.write() as conn:
        put(conn, gitlab, an_environment("nonprod"), a_deployment("73", "nonprod"))
    assert cell(store, "code")["version"] is None


def test_code_counts_the_merged_requests_that_it_does_not_have_yet(store, gitlab):
    from services.records import Change

    with store.write() as conn:
        keys = put(conn, gitlab, a_deployment("71"), a_run("501", sha=OTHER_SHA))
        head = {"project_id": 1, "ref": "main", "run_id": keys["501"], "is_default": True, "created_at": to_millis(NOW)}
        conn.execute(insert_for(conn, schema.branch_head), [head])
        for number, merged, target in (
            (1, ago(hours=1), "main"), (2, ago(minutes=9), "main"), (3, ago(days=3), "main"),
            (4, ago(hours=1), "release/1"),
        ):  # fmt: skip
            put(conn, gitlab, Change(native_id=str(number), project=PROJECT, iid=str(number), title="t",
                                     state="merged", merged_at=merged, target_branch=target))  # fmt: skip
    assert cell(store, "code")["note"] == "2 behind"


def test_what_was_merged_after_the_deployment_s_pipeline_began_is_behind_and_not_shipped(store, gitlab):
    """Board and Changes judge by one rule: a deployment holds what was merged before its pipeline began."""
    with store.write() as conn:
        keys = put(conn, gitlab, a_run("500", created_at=ago(hours=3), finished_at=ago(hours=1)),
                   a_deployment("71", run=Ref("pipeline", "500"), created_at=ago(hours=1)),
                   a_run("501", sha=OTHER_SHA),
                   a_change("8", "merged", merged_at=ago(hours=2)),
                   a_change("9", "merged", merged_at=ago(hours=4)))  # fmt: skip
        head = {"project_id": 1, "ref": "main", "run_id": keys["501"], "is_default": True, "created_at": to_millis(NOW)}
        conn.execute(insert_for(conn, schema.branch_head), [head])
    assert cell(store, "code")["note"] == "1 behind"
    with store.read() as conn:
        changes = discover()["changes"].ask(conn, a_config(), Filters(), NOW).data["changes"]
    assert {one["iid"]: one["production"]["state"] for one in changes} == {"8": "not shipped", "9": "shipped"}


def test_the_image_is_the_one_made_from_the_deployed_commit(store, gitlab):
    with store.write() as conn:
        keys = put(
            conn, gitlab, a_deployment("71"), a_version(), a_version("registry/app@sha256:1", "image", label="v1")
        )
        image, commit = ("version", keys["registry/app@sha256:1"]), ("version", keys[SHA])
        a_link(conn, ("deployment", keys["71"]), commit)
        a_link(conn, image, commit, evidence_kind="inferred")
    drawn = cell(store, "image")
    assert drawn["version"] == "v1"
    assert (drawn["edge"]["to"], drawn["edge"]["evidence_kind"]) == ("code", "inferred")


def test_a_state_with_drift_is_drifted_and_one_never_checked_is_not_in_sync(store):
    with store.write() as conn:
        source = a_source(conn, "terraform", "states")
        drift = ({"address": "a.b", "actions": ["update"], "attributes": ["x"]},)
        keys = put(conn, source, a_workspace(), a_plan(drift=drift), a_workspace("forecast-qa", "qa"))
        belongs(conn, "demand-forecast", "workspace", keys["forecast-prod"], keys["forecast-qa"])
    drifted, unchecked = cell(store, "infrastructure"), cell(store, "infrastructure", "qa")
    assert (drifted["state"], drifted["version"]) == ("drifted", "s41")
    assert unchecked["state"] == "not checked"


@pytest.fixture
def vertex(store):
    """A trained, registered and served model in production."""
    with store.write() as conn:
        source = a_source(conn, "vertex")
        run = "projects/1/pipelineJobs/t1"
        keys = put(
            conn, source, a_training(run), a_model(), a_model_version(by=Ref("pipeline-job", run)), an_endpoint()
        )
        belongs(conn, "demand-forecast", "run", keys[run])
        belongs(conn, "demand-forecast", "model", keys["projects/1/models/m1"])
        belongs(conn, "demand-forecast", "endpoint", keys["projects/1/endpoints/e1"])
        a_link(conn, ("version", keys["projects/1/models/m1@17"]), ("run", keys[run]))
        return source


def test_the_right_half_shows_training_model_endpoint_and_how_they_are_joined(store, vertex):
    trained, model, endpoint = (cell(store, column) for column in ("training", "model", "endpoint"))
    assert (trained["state"], model["version"], endpoint["version"]) == ("succeeded", "v17", "v17")
    assert (model["edge"]["to"], endpoint["edge"]["to"]) == ("training", "model")
    assert set(model["thread"]) & set(endpoint["thread"])


def test_traffic_on_two_versions_is_a_canary_with_both_shares(store, vertex):
    split = tuple(
        {"model": f"projects/1/models/m1@{n}", "version": n, "percent": p} for n, p in (("18", 10), ("17", 90))
    )
    with store.write() as conn:
        put(conn, vertex, an_endpoint(traffic=split))
    endpoint = cell(store, "endpoint")
    assert (endpoint["state"], endpoint["version"], endpoint["note"]) == ("canary", "v17→v18", "90/10 %")


def test_an_endpoint_without_traffic_does_not_hide_one_that_serves(store, vertex):
    with store.write() as conn:
        keys = put(conn, vertex, an_endpoint("projects/1/endpoints/e2", traffic=()))
        belongs(conn, "demand-forecast", "endpoint", keys["projects/1/endpoints/e2"])
    assert (cell(store, "endpoint")["version"], cell(store, "endpoint")["of"]) == ("v17", 2)


def test_the_metric_is_the_newest_value_of_the_first_one_configured(store):
    with store.write() as conn:
        of = {"metric": "demand-forecast/demand-forecast/wape", "model": "demand-forecast", "environment": "prod"}
        points = [MetricPoint(at=ago(days=1), value=0.2, **of), MetricPoint(at=ago(hours=1), value=0.25, **of),
                  MetricPoint(at=NOW, value=0.9, slice="north", **of)]  # fmt: skip
        put(conn, a_source(conn, "bigquery"), *points)
    assert cell(store, "metrics", metric=[METRIC])["version"] == "0.25"


def test_cells_without_a_recorded_link_to_their_left_say_so(store, gitlab, vertex):
    with store.write() as conn:
        put(conn, gitlab, a_deployment("71", sha=OTHER_SHA))
    assert cell(store, "training")["edge"] == {
        "to": None, "evidence_kind": "none", "evidence": "No recorded link leads to what is on its left",
    }  # fmt: skip


def test_the_worst_open_problem_stands_on_its_cell(store, vertex):
    with store.write() as conn:
        a_problem(conn, lane="metrics", environment="prod", severity="amber", title="amber", kind="metric-bad")
        a_problem(conn, lane="schedule", environment="prod", title="late", kind="schedule-late", state="unknown")
    assert cell(store, "training")["problem"]["status"] == "late"
    assert cell(store, "metrics")["problem"]["title"] == "amber"
    assert cell(store, "training", "qa")["problem"] is None


def test_what_may_not_be_read_is_no_access_and_not_empty(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn, "vertex"), "endpoints", status="no-access", good_at=None)
    assert cell(store, "endpoint")["state"] == "no-access"


def test_a_stale_copy_adds_to_the_state_and_does_not_hide_it(store, vertex):
    with store.write() as conn:
        a_stream(conn, vertex, "endpoints", good_at=ago(hours=3))
    endpoint = cell(store, "endpoint")
    assert (endpoint["state"], endpoint["freshness"]) == ("succeeded", "stale")


def test_products_with_red_problems_come_first_and_what_belongs_nowhere_last(store):
    products = [{"name": name} for name in ("calm", "amber", "red")]
    with store.write() as conn:
        a_problem(conn, product="red", place="r")
        a_problem(conn, product="amber", severity="amber", place="a")
        put(conn, a_source(conn), a_project("99", "acme/stray"))
    rows = ask(store, product=products).data["rows"]
    assert list(dict.fromkeys(row["product"] for row in rows)) == ["red", "amber", "calm", "unassigned"]


def test_a_page_of_products_tells_the_true_number(store):
    products = [{"name": f"p{number}"} for number in range(5)]
    assert ask(store, Filters(limit=3), product=products).truncated == {"shown": 3, "of": 5}
    assert len(ask(store, Filters(limit=3, page=2), product=products).data["rows"]) == 2 * 3
    assert ask(store, Filters(page=7), product=products).empty_because == "There is no page 7."
