"""No view reads all of a large table, whatever it is asked, on either database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

from services.queries import discover
from services.queries.base import Filters
from services.queries.windows import recent
from services.records import Ref
from services.store.database import Store
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    a_change,
    a_config,
    a_deployment,
    a_model,
    a_model_version,
    a_plan,
    a_project,
    a_run,
    a_source,
    a_step,
    a_training,
    a_version,
    a_workspace,
    ago,
    an_endpoint,
    an_environment,
    belongs,
    put,
)
from tests.store.plans import full_scans

LISTS = ("pipelines", "changes", "environments", "infrastructure", "ml-runs", "models")
METRIC = {"product": "demand-forecast", "model": "demand-*", "name": "auc", "better": "higher", "table": "m.t"}
ASKED = {
    "without filters": Filters(),
    "a window": Filters(window=recent(24, NOW)),
    "a product": Filters(product="demand-forecast"),
    "what is unassigned": Filters(product="unassigned"),
    "words": Filters(text="some words", window=recent(24, NOW)),
    "a state": Filters(state="failed"),
    "merged ones": Filters(state="merged"),
    "closed ones": Filters(state="closed"),
    "an environment": Filters(environment="prod"),
    "a project": Filters(project="acme/forecast-training"),
    "a run opened": Filters(selected="gitlab.example:pipeline:501"),
    "a request opened": Filters(selected="gitlab.example:merge-request:37"),
    "an environment opened": Filters(selected="gitlab.example:environment:11-prod"),
    "a workspace opened": Filters(selected="terraform.example:workspace:forecast-prod"),
    "an endpoint opened": Filters(selected="vertex.example:endpoint:projects/1/endpoints/e1"),
    "a model opened": Filters(selected="vertex.example:model:projects/1/models/m1"),
}


@pytest.fixture
def filled(store: Store) -> Store:
    """One thing of each kind, so that every query that depends on another is asked."""
    with store.write() as conn:
        keys = put(
            conn, a_source(conn, "gitlab"), a_project(), a_run("501", RunState.FAILED), a_step("1", RunState.FAILED),
            a_run("502", parent=Ref("pipeline", "501")), a_change("7", "merged", merged_at=ago(hours=9)),
            an_environment("prod"), a_deployment("71", run=Ref("pipeline", "501")),
        )  # fmt: skip
        put(conn, a_source(conn, "terraform"), a_workspace(), a_plan(),
            a_version("forecast-prod#41", "state-version", of="forecast-prod", label="41"))  # fmt: skip
        put(conn, a_source(conn, "vertex"), a_training(), a_model(), a_model_version("17"), an_endpoint(),
            a_deployment("t1", kind="traffic", place="demand-forecast", project=None))  # fmt: skip
        belongs(conn, "demand-forecast", "project", keys["11"])
    return store


def with_values(statement: sa.Select, values: dict) -> sa.Select:
    """The statement with its values in it, as its plan is asked for."""

    def fill(bind: sa.BindParameter) -> None:
        if bind.key in values:
            bind.value, bind.required = values[bind.key], False

    return visitors.cloned_traverse(statement, {}, {"bindparam": fill})


def statements(store: Store, view: str, filters: Filters) -> list[sa.Select]:
    """The queries that a view asks."""
    asked: list[sa.Select] = []

    def note(_: sa.Connection, statement: object, many: list[dict], values: dict, __: object) -> None:
        if isinstance(statement, sa.Select):
            asked.append(with_values(statement, {**values, **(many[0] if many else {})}))

    with store.read() as conn:
        sa.event.listen(conn, "before_execute", note)
        discover()[view].ask(conn, a_config(metric=[METRIC]), filters, NOW)
    return asked


@pytest.mark.parametrize("filters", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("view", LISTS)
def test_a_list_reads_no_large_table_from_end_to_end(filled: Store, view: str, filters: Filters) -> None:
    asked = statements(filled, view, filters)
    assert asked
    with filled.read() as conn:
        found = {line: str(statement) for statement in asked for line in full_scans(conn, statement)}
    assert found == {}
