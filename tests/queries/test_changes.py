"""Changes: what each open request waits for, and whether production has what was merged."""

import pytest

from services.queries import changes
from services.queries.base import Filters
from services.queries.windows import recent
from services.records import Ref
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    SHA,
    a_change,
    a_config,
    a_deployment,
    a_problem,
    a_project,
    a_run,
    a_source,
    ago,
    an_environment,
    belongs,
    put,
)

MERGED = {"state": "merged", "merged_at": ago(hours=6)}


def ask(store, filters=None, **sections):
    with store.read() as conn:
        return changes.changes(conn, a_config(**sections), filters or Filters(), NOW)


def listed(store, filters=None):
    return [one["iid"] for one in ask(store, filters).data["changes"]]


def collected(store, *things):
    with store.write() as conn:
        return put(conn, a_source(conn), a_project(), *things)


def only(store, **sections):
    (one,) = ask(store, **sections).data["changes"]
    return one


def test_open_requests_come_first_the_oldest_on_top_then_the_newest_merged(store):
    collected(
        store,
        a_change("1"),
        a_change("2", created_at=ago(days=40)),
        a_change("3", **MERGED),
        a_change("4", "merged", merged_at=ago(hours=1)),
        a_change("5", "closed", closed_at=ago(hours=2)),
    )
    assert listed(store) == ["2", "1", "4", "5", "3"]
    assert ask(store).data["counts"] == {"opened": 2, "merged": 2, "closed": 1, "drafts": 0}


def test_open_ones_are_there_whatever_their_age_and_merged_ones_only_of_the_window(store):
    collected(store, a_change("1", created_at=ago(days=300)), a_change("2", "merged", merged_at=ago(days=8)))
    assert listed(store) == ["1"]
    assert listed(store, Filters(window=recent(24 * 9, NOW))) == ["1", "2"]


def test_a_state_narrows_the_list_and_not_the_counts(store):
    collected(store, a_change("1"), a_change("2", **MERGED))
    answer = ask(store, Filters(state="merged"))
    assert [one["iid"] for one in answer.data["changes"]] == ["2"]
    assert (answer.of, answer.data["counts"]["opened"]) == (1, 1)


def test_product_project_and_words_narrow_the_list(store):
    with store.write() as conn:
        keys = put(conn, a_source(conn), a_project(), a_project("12", "acme/other"), a_change("1"),
                   a_change("2", project=Ref("project", "12"), title="Fix the week"))  # fmt: skip
        belongs(conn, "demand-forecast", "project", keys["11"])
    assert listed(store, Filters(product="demand-forecast")) == ["1"]
    assert listed(store, Filters(project="acme/other")) == ["2"]
    assert listed(store, Filters(text="WEEK")) == ["2"]
    assert ask(store, Filters(text="week")).data["counts"]["opened"] == 1


@pytest.mark.parametrize(
    ("request_", "waits_for"),
    [
        pytest.param({"draft": True}, "its author: it is a draft", id="a draft"),
        pytest.param({"approved_by": ()}, "1 more approval, from ravi", id="a review"),
        pytest.param({"approved_by": (), "approvals_required": 2}, "2 more approvals, from ravi", id="two reviews"),
        pytest.param(
            {"approved_by": (), "reviewers": ()}, "1 more approval, from a reviewer, none is asked", id="nobody"
        ),
        pytest.param({}, "a merge: it is approved", id="approved"),
        pytest.param(
            {"approved_by": (), "approvals_required": 0}, "a merge: no approval is required", id="none needed"
        ),
        pytest.param({"approved_by": None}, "not known: its approvals were not read", id="approvals not read"),
    ],
)
def test_an_open_request_says_what_it_waits_for(store, request_, waits_for):
    collected(store, a_change("1", **request_))
    assert only(store)["waits_for"] == waits_for


def test_how_long_it_is_open_is_told_only_of_open_ones(store):
    collected(store, a_change("1", created_at=ago(hours=2)), a_change("2", **MERGED))
    assert [one["open_seconds"] for one in ask(store).data["changes"]] == [7200.0, None]


# --- production


def deployed(native_id, began, **more):
    """A production deployment and the pipeline that made it, which began so many hours ago."""
    pipeline = f"9{native_id}"
    at = {"created_at": ago(hours=began - 0.5), "finished_at": ago(hours=began - 0.5)}
    yield a_run(pipeline, created_at=ago(hours=began))
    yield a_deployment(native_id, run=Ref("pipeline", pipeline), **at | more)


def production(store, *deployments, name="prod", tier="production", **merged):
    made = [one for group in deployments for one in group]
    collected(store, an_environment(name, tier=tier), a_change("1", **MERGED | merged), *made)
    return only(store)["production"]


def test_what_was_merged_before_a_production_pipeline_began_is_in_production(store):
    found = production(store, deployed("1", began=20), deployed("2", began=5))
    assert (found["state"], found["at"]) == ("shipped", "2026-11-24T08:30:00.000Z")


def test_a_deployment_whose_pipeline_began_before_the_merge_does_not_hold_it(store):
    assert production(store, deployed("1", began=20, finished_at=ago(hours=1)))["state"] == "not shipped"
    assert only(store)["waits_for"] == "a deployment to production"


def test_a_failed_deployment_ships_nothing(store):
    assert production(store, deployed("1", began=20), deployed("2", began=5, state=RunState.FAILED))["state"] == (
        "not shipped"
    )


def test_after_a_rollback_production_has_it_no_more(store):
    old = a_run("901", created_at=ago(hours=20))
    back = a_deployment("3", run=Ref("pipeline", "901"), created_at=ago(hours=2), finished_at=ago(hours=2))
    found = production(store, deployed("1", began=20), deployed("2", began=5), [old, back])
    assert found["state"] == "rolled back"
    assert only(store)["waits_for"] == "production again: it was rolled back"


def test_when_it_shipped_is_not_known_where_it_was_merged_before_all_that_we_hold(store):
    found = production(store, deployed("2", began=5))
    assert (found["state"], found["at"]) == ("shipped", None)


@pytest.mark.parametrize(
    ("name", "tier", "counts"),
    [
        pytest.param("production/api", None, True, id="told by its name alone"),
        pytest.param("live", None, True, id="another word for it"),
        pytest.param("nonprod", "production", False, id="nonprod is never production"),
        pytest.param("qa", "testing", False, id="another tier"),
    ],
)
def test_production_is_what_configuration_tier_and_name_say(store, name, tier, counts):
    place = {"environment": name, "tier": None, "place": name}
    found = production(store, deployed("1", 20, **place), deployed("2", 5, **place), name=name, tier=tier)
    assert (found is not None and found["state"] == "shipped") is counts


def test_of_a_project_without_production_and_of_other_branches_nothing_is_said(store):
    collected(store, a_change("1", **MERGED))
    assert only(store)["production"] is None
    assert only(store)["waits_for"] is None


def test_a_request_into_another_branch_is_not_said_to_wait_for_production(store):
    assert production(store, deployed("1", began=20), target_branch="release") is None


def test_what_waits_too_long_is_told_as_its_problems_tell_it(store):
    with store.write() as conn:
        a_problem(conn, kind="review-waiting", subject_table="change")
        a_problem(conn, kind="unshipped", subject_table="project", facts={"count": 4})
        a_problem(conn, kind="unshipped", subject_table="project", subject_id=2, facts={"count": 3}, product="churn")
        a_problem(conn, kind="unshipped", subject_table="project", subject_id=3, facts={"count": 9}, closed_at=NOW)
    assert ask(store).data["waiting"] == {"review": 1, "production": 7}
    assert ask(store, Filters(product="churn")).data["waiting"] == {"review": 0, "production": 3}


def test_one_request_is_opened_with_the_pipelines_of_its_commits(store):
    collected(store, a_change("1", sha=SHA), a_run("501"), a_run("502", sha="f" * 40))
    opened = ask(store, Filters(selected="gitlab.example:merge-request:31")).data["selected"]
    assert [one["id"] for one in opened["pipelines"]] == ["gitlab.example:pipeline:501"]
