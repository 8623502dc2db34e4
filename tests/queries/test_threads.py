"""What a thing goes back to: every origin by its strongest way, whose evidence is that of its weakest hop."""

from services.queries.threads import origins
from services.records import Ref, Step
from services.vocabulary import RunState
from tests.builders import a_link, a_project, a_run, a_source, put

MODEL, RUN, COMMIT, IMAGE = ("version", 1001), ("run", 1002), ("version", 1003), ("version", 1004)


def reach(store, thing):
    with store.read() as conn:
        return {origin: hop.evidence_kind for origin, hop in origins(conn, [thing])[thing].items()}


def test_origins_are_followed_hop_by_hop(store):
    with store.write() as conn:
        a_link(conn, MODEL, RUN)
        a_link(conn, RUN, COMMIT)
    assert reach(store, MODEL) == {MODEL: "declared", RUN: "declared", COMMIT: "declared"}
    assert reach(store, COMMIT) == {COMMIT: "declared"}


def test_a_way_is_as_strong_as_its_weakest_hop(store):
    with store.write() as conn:
        a_link(conn, MODEL, IMAGE, evidence_kind="inferred")
        a_link(conn, IMAGE, COMMIT)
    assert reach(store, MODEL)[COMMIT] == "inferred"


def test_of_two_ways_the_stronger_one_counts(store):
    with store.write() as conn:
        a_link(conn, MODEL, COMMIT, evidence_kind="inferred")
        a_link(conn, MODEL, RUN)
        a_link(conn, RUN, COMMIT, evidence_kind="identical")
    assert reach(store, MODEL)[COMMIT] == "identical"


def test_a_broken_link_leads_nowhere(store):
    with store.write() as conn:
        a_link(conn, MODEL, None, evidence_kind="broken", broken="ambiguous")
    assert set(reach(store, MODEL)) == {MODEL}


def test_a_circle_of_links_ends(store):
    with store.write() as conn:
        a_link(conn, MODEL, RUN)
        a_link(conn, RUN, MODEL, rule="back")
    assert set(reach(store, MODEL)) == {MODEL, RUN}


def test_a_job_leads_to_the_run_it_is_part_of(store):
    with store.write() as conn:
        step = Step(native_id="9", kind="job", run=Ref("pipeline", "501"), name="build", state=RunState.SUCCEEDED,
                    state_raw="success")  # fmt: skip
        keys = put(conn, a_source(conn), a_project(), a_run("501"), step)
        a_link(conn, IMAGE, ("step", keys["9"]))
    assert ("run", keys["501"]) in reach(store, IMAGE)


def test_that_a_schedule_started_a_run_makes_them_no_thread(store):
    with store.write() as conn:
        a_link(conn, RUN, ("schedule", 5), rule="run-schedule")
    assert set(reach(store, RUN)) == {RUN}
