"""What the collector keeps, whatever happens on the way: nothing lost, nothing double, neighbours unharmed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.queries.health import health
from services.store import progress, schema
from services.vocabulary import Freshness
from tests.emulators.gitlab_builders import TOKEN, a_deployment, a_job, a_merge_request, a_pipeline, a_small_gitlab, at
from tests.sync.local import team


def healths(shop) -> dict:
    with shop.store.read() as conn:
        found = health(conn, shop.loaded.config, shop.upstreams.clock.now())
    return {one.stream: one for one in found}


def test_one_sweep_brings_everything_into_the_store(store, tmp_path):
    with team(a_small_gitlab(), store, tmp_path) as shop:
        outcomes = shop.sweep()
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        counts = shop.counts()
    assert counts["project"] == 2
    assert counts["run"] == 2
    assert counts["step"] == 5
    assert (counts["deployment"], counts["change"], counts["incident"], counts["schedule"]) == (1, 1, 1, 1)


def test_a_second_sweep_doubles_nothing_and_tells_no_event_twice(shop):
    shop.sweep()
    before, told = shop.counts(), len(shop.rows(schema.event))
    shop.restart()
    shop.sweep()
    assert shop.counts() == before
    assert len(shop.rows(schema.event)) == told


def test_what_happened_while_the_collector_was_down_for_two_hours_is_not_missed(shop):
    shop.sweep()
    shop.close()
    shop.advance(hours=2)
    data = shop.upstreams.gitlab
    for number in range(30):
        moment = at(-120 + number)
        data.items(1, "pipelines").append(a_pipeline(1000 + number, created_at=moment, updated_at=moment))
        data.items(1, "jobs").append(a_job(5000 + number, pipeline=1000 + number))
    data.projects[1]["last_activity_at"] = at(-100)
    data.items(1, "deployments").append(a_deployment(61, created_at=at(-90), updated_at=at(-89)))
    data.items(1, "merge_requests").append(a_merge_request(9, created_at=at(-60), updated_at=at(-60)))
    shop.restart()
    shop.sweep()
    runs = {row.native_id for row in shop.rows(schema.run)}
    assert {str(1000 + number) for number in range(30)} <= runs
    assert {str(5000 + number) for number in range(30)} <= {row.native_id for row in shop.rows(schema.step)}
    assert "61" in {row.native_id.rpartition("/")[2] for row in shop.rows(schema.deployment)}
    assert "9" in {row.iid for row in shop.rows(schema.change)}


def test_a_pipeline_shown_running_is_read_again_until_it_ends(shop):
    """A pipeline was shown running hours after it had ended (gitlab-ci-pipelines-exporter 1080)."""
    running = a_pipeline(77, status="running", finished_at=None, duration=None, updated_at=at(1))
    shop.upstreams.gitlab.items(1, "pipelines").append(running)
    shop.sweep()
    assert shop.rows(schema.run, native_id="77")[0].state == "running"
    running |= {"status": "success", "finished_at": at(-1), "duration": 60, "updated_at": at(-1)}
    shop.advance(minutes=10)
    shop.sweep()
    assert shop.rows(schema.run, native_id="77")[0].state == "succeeded"


def test_a_pipeline_deleted_while_it_ran_is_gone_and_holds_up_neither_its_parent_nor_its_branch(shop):
    data = shop.upstreams.gitlab
    old = a_pipeline(76, created_at=at(30), updated_at=at(25))
    new = a_pipeline(77, status="running", finished_at=None, duration=None, created_at=at(2), updated_at=at(1))
    data.items(1, "pipelines").extend([old, new])
    shop.sweep()
    (head,) = [row for row in shop.rows(schema.branch_head) if row.is_default and row.project_id == 1]
    assert shop.rows(schema.run, id=head.run_id)[0].native_id == "77"
    data.items(1, "pipelines").remove(new)
    shop.advance(minutes=11)
    shop.sweep()
    (deleted,) = shop.rows(schema.run, native_id="77")
    assert (deleted.state, deleted.final, deleted.gone_at is not None) == ("running", False, True)
    (head,) = [row for row in shop.rows(schema.branch_head) if row.is_default and row.project_id == 1]
    assert shop.rows(schema.run, id=head.run_id)[0].native_id == "76"


def test_a_403_on_one_stream_leaves_the_others_fresh_and_says_how_to_grant_it(shop):
    shop.fault(path="/merge_requests", status=403, body=b'{"message": "403 Forbidden"}')
    shop.sweep()
    found = healths(shop)
    assert found["merge_requests"].status is Freshness.NO_ACCESS
    assert "read_api" in (found["merge_requests"].mend or "")
    assert found["pipelines"].status is Freshness.FRESH
    assert shop.counts()["run"] == 2


@pytest.mark.parametrize(
    ("fault", "stream", "status"),
    [
        pytest.param({"path": "/merge_requests", "status": 500}, "merge_requests", "unreachable", id="500"),
        pytest.param({"path": "/merge_requests", "status": 404}, "merge_requests", "no-access", id="404"),
        pytest.param(
            {"path": "/merge_requests", "cut_after_bytes": 1}, "merge_requests", "unreachable", id="a cut connection"
        ),
        pytest.param({"path": "/merge_requests", "body": b'[{"id": 1'}, "merge_requests", "unreadable", id="half JSON"),
        pytest.param(
            {"path": "/merge_requests", "status": 429, "headers": (("retry-after", "30"),), "body": b"Retry later"},
            "merge_requests", "limited", id="429",
        ),
    ],
)  # fmt: skip
def test_a_stream_that_fails_says_how_and_mends_itself(shop, fault, stream, status):
    shop.sweep()
    rows = shop.counts()
    shop.fault(**fault)
    shop.advance(minutes=3)
    shop.sweep()
    assert shop.status(stream) == status
    assert shop.counts() == rows, "rows are kept"
    shop.controls.faults.clear()
    shop.advance(hours=2)
    shop.restart()
    shop.sweep()
    assert shop.status(stream) == "ok"


def test_a_429_pauses_the_whole_source_until_it_may_come_back(shop):
    shop.fault(path="", status=429, headers=(("retry-after", "45"),), body=b"Retry later")
    shop.sweep()
    worker = shop.collector.workers[0]
    assert worker.live.resume_at - shop.upstreams.clock.now() >= timedelta(seconds=44)
    calls = shop.controls.calls.total
    assert worker.turns(_never()) <= 5.0
    assert shop.controls.calls.total == calls


def test_a_pause_that_was_asked_for_lasts_over_a_restart(shop):
    shop.sweep()
    shop.fault(path="/merge_requests", status=429, headers=(("retry-after", "300"),), body=b"Retry later")
    shop.advance(minutes=3)
    shop.sweep()
    shop.controls.faults.clear()
    shop.controls.calls.clear()
    shop.restart()
    (worker,) = shop.collector.workers
    worker.turns(_never())
    assert shop.controls.calls.total == 0
    shop.advance(minutes=6)
    worker.turns(_never())
    assert shop.controls.calls.total > 0


def test_what_could_not_be_read_of_a_project_is_forgotten_with_the_project(shop):
    shop.upstreams.gitlab.denied[2, "deployments"] = 403
    shop.sweep()
    assert [row.part for row in shop.rows(schema.stream_part)] == ["2"]
    shop.upstreams.gitlab.projects[2]["archived"] = True
    shop.advance(hours=2)
    shop.sweep()
    assert shop.rows(schema.stream_part) == []


def test_what_was_noted_of_a_scope_that_is_no_longer_read_is_let_go(shop):
    shop.sweep()
    (state, *_) = shop.rows(schema.stream_state)
    with shop.store.write() as conn:
        progress.save_state(conn, state.source_id, "a region of old", "pipelines", {"status": "ok"})
    shop.restart()
    shop.sweep()
    assert {row.scope for row in shop.rows(schema.stream_state)} == {"all"}


def test_a_word_we_do_not_know_is_unknown_and_is_counted(shop):
    shop.upstreams.gitlab.items(1, "pipelines").append(a_pipeline(78, status="teleported", updated_at=at(1)))
    shop.sweep()
    assert shop.rows(schema.run, native_id="78")[0].state == "unknown"
    assert [(row.word.lower(), row.count) for row in shop.rows(schema.unknown_word)] == [("teleported", 1)]


def test_freshness_decays_while_the_upstream_is_away(shop):
    shop.sweep()
    shop.fault(path="", status=502)
    shop.advance(hours=1)
    shop.sweep()
    found = healths(shop)
    assert found["pipelines"].status is Freshness.STALE
    assert shop.counts()["run"] == 2


def test_a_webhook_is_taken_as_an_id_to_fetch_and_never_as_data(shop):
    shop.sweep()
    running = a_pipeline(79, status="running", updated_at=at(0))
    shop.upstreams.gitlab.items(1, "pipelines").append(running)
    now = shop.upstreams.clock.now()
    with shop.store.write() as conn:
        progress.receive(conn, "gitlab", "d1", "pipeline", {"project": "1", "pipeline": "79"}, now)
    worker = shop.collector.workers[0]
    worker._drain_inbox(worker.live, now)
    shop.sweep()
    assert shop.rows(schema.run, native_id="79")[0].state == "running"
    with shop.store.read() as conn:
        assert list(progress.waiting_inbox(conn, "gitlab")) == []


def test_a_source_is_collected_by_one_collector_at_a_time(shop):
    from services.sync import Collector

    other = Collector(shop.loaded, shop.store, shop.upstreams.clock.now)
    first, second = shop.collector.workers[0], other.workers[0]
    assert first._holds_lease(first._connected())
    assert not second._holds_lease(second._connected())
    shop.advance(minutes=2)
    assert second._holds_lease(second._connected()), "a lease that was not renewed runs out"
    second.live.client.close()


def test_a_missing_token_is_said_and_hides_no_other_source(sqlite_store, tmp_path):
    with team(a_small_gitlab(), sqlite_store, tmp_path, token={"env": "ABSENT"}) as shop:
        assert shop.sweep() == []
        with sqlite_store.read() as conn:
            said = dict(
                conn.execute(schema.meta.select().with_only_columns(schema.meta.c.key, schema.meta.c.value)).all()
            )
    assert "ABSENT" in said["source-error:gitlab"]


def test_an_id_that_always_fails_is_given_up_and_kept_aside(shop):
    shop.sweep()
    with shop.store.write() as conn:
        source_id = shop.collector.workers[0].live.source_id
        progress.add_work(conn, source_id, "s", "jobs", ["1/999"], shop.upstreams.clock.now())
        for _ in range(progress.MAX_TRIES - 1):
            assert progress.postpone_work(conn, source_id, "s", "jobs", ["1/999"], shop.upstreams.clock.now()) == []
        assert progress.postpone_work(conn, source_id, "s", "jobs", ["1/999"], shop.upstreams.clock.now()) == ["1/999"]
        assert progress.next_work(conn, source_id, "s", "jobs", shop.upstreams.clock.now(), 10) == ()


def _never():
    import threading

    return threading.Event()


def test_a_token_that_ends_soon_is_a_problem_before_it_is_one(sqlite_store, tmp_path):
    gitlab = a_small_gitlab()
    gitlab.gitlab.tokens[TOKEN].expires_at = "2026-12-01"
    with team(gitlab, sqlite_store, tmp_path) as shop:
        shop.sweep()
        assert [row.title for row in shop.rows(schema.problem, kind="source-notice")] == [
            next(row.title for row in shop.rows(schema.problem) if "2026-12-01" in row.title)
        ]
        gitlab.gitlab.tokens[TOKEN].expires_at = "2027-12-01"
        shop.advance(hours=2)
        shop.sweep()
        assert all(row.closed_at for row in shop.rows(schema.problem, kind="source-notice"))


def test_calls_are_counted_over_restarts_as_the_upstream_counts_them(shop):
    for _ in range(2):
        shop.sweep()
        shop.restart()
        shop.advance(hours=2)
    (budget,) = shop.rows(schema.budget)
    counted = sum(row.calls for row in shop.rows(schema.call_count))
    assert budget.calls_total == counted == shop.controls.calls.total
