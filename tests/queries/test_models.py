"""Models: deployed, newest and best are three things, each told by its own evidence."""

import pytest

from services.queries import models, scores
from services.queries.base import Filters
from services.records import Evaluation, MetricPoint, Ref
from tests.builders import (
    NOW,
    a_config,
    a_model,
    a_model_version,
    a_source,
    a_stream,
    a_training,
    ago,
    an_endpoint,
    belongs,
    put,
)

M = "projects/1/models/m1"
METRIC = {"product": "demand-forecast", "model": "demand-*", "name": "pr_auc", "better": "higher", "table": "m.t"}
KEY = "demand-forecast/demand-*/pr_auc"


def ask(store, filters=None, metric=METRIC):
    with store.read() as conn:
        return models.models(conn, a_config(metric=[metric] if metric else []), filters or Filters(), NOW)


def collected(store, *things):
    with store.write() as conn:
        return put(conn, a_source(conn, "vertex"), *things)


def versions(*numbers, model=M):
    return [a_model_version(str(n), model, created_at=ago(days=30 - index)) for index, n in enumerate(numbers)]


def serving(*split, **more):
    traffic = tuple({"deployed_id": v, "model": f"{M}@{v}", "version": v, "percent": percent,
                     "deployed_at": "2026-11-20T09:00:00Z"} for v, percent in split)  # fmt: skip
    return an_endpoint(traffic=traffic, **more)


def evaluated(number, value, name="all", **more):
    return Evaluation(native_id=f"e{number}{name}", version=Ref("model-version", f"{M}@{number}"), name=name,
                      metrics={"auPrc": value}, created_at=ago(days=2), **more)  # fmt: skip


def point(version, value, slice_="all", at=None):
    return MetricPoint(metric=KEY, model="demand-forecast", version=version, environment="prod", slice=slice_,
                       at=at or ago(hours=1), value=value, n=100)  # fmt: skip


def only(store, *things, metric=METRIC):
    collected(store, a_model(), *things)
    (one,) = ask(store, metric=metric).data["models"]
    return one


def test_deployed_newest_and_best_are_often_three_versions(store):
    one = only(store, *versions(15, 16, 17, 18), serving(("16", 100)), evaluated(15, 0.9), evaluated(18, 0.7))
    assert [place["version"] for place in one["deployed"]] == ["16"]
    assert (one["newest"]["version"], one["newer_than_deployed"]) == ("18", 2)
    assert (one["best"]["version"], one["best"]["value"], one["best"]["by"]) == ("15", 0.9, "evaluation")


def test_newest_is_by_time_and_not_by_number(store):
    assert only(store, *versions(9, 10, 2))["newest"]["version"] == "2"


def test_a_version_without_traffic_is_not_deployed(store):
    one = only(store, *versions(16, 17), serving(("16", 100), ("17", 0)))
    assert [(place["version"], place["traffic"]) for place in one["deployed"]] == [("16", 1.0)]


def test_a_canary_shows_both_versions_the_larger_share_first(store):
    one = only(store, *versions(16, 17), serving(("17", 10), ("16", 90)))
    assert [(place["version"], place["traffic"]) for place in one["deployed"]] == [("16", 0.9), ("17", 0.1)]


def test_what_serves_is_known_however_old_it_is(store):
    one = only(store, *versions(*range(1, 26)), serving(("1", 100)))
    assert one["newer_than_deployed"] == 24
    assert [listed["version"] for listed in one["versions"]][-1] == "1"
    assert len(one["versions"]) == models.NEWEST + 1


def test_served_nowhere_is_told_as_nothing_and_not_as_0(store):
    one = only(store, *versions(16))
    assert (one["deployed"], one["newer_than_deployed"]) == ([], None)


def test_better_may_be_lower(store):
    lower = METRIC | {"better": "lower"}
    assert only(store, *versions(1, 2), evaluated(1, 0.3), evaluated(2, 0.4), metric=lower)["best"]["version"] == "1"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("pr_auc", "auPrc"), ("auc", "auRoc"), ("log_loss", "logLoss"), ("wape", "weightedAbsolutePercentageError"),
     ("RMSE", "rootMeanSquaredError"), ("accuracy", "accuracy")],
)  # fmt: skip
def test_short_names_of_metrics_and_those_of_evaluations_are_the_same(ours, theirs):
    assert scores.spelt(ours) == scores.spelt(theirs)


def test_the_evaluation_of_a_slice_does_not_make_a_version_the_best(store):
    one = only(store, *versions(1, 2), evaluated(1, 0.99, "v1 channel=app"), evaluated(1, 0.6), evaluated(2, 0.7))
    assert one["best"]["version"] == "2"
    assert one["versions"][1]["evaluation"] == {"auPrc": 0.6}


def test_without_evaluations_the_best_is_by_what_was_measured(store):
    one = only(store, *versions(1, 2), point("1", 0.8), point("1", 0.99, "region=north"), point("2", 0.7))
    assert (one["best"]["version"], one["best"]["value"], one["best"]["by"]) == ("1", 0.8, "measured")


def test_of_what_was_measured_the_newest_value_counts(store):
    one = only(store, *versions(1), point("1", 0.9, at=ago(days=3)), point("1", 0.7))
    assert one["versions"][0]["measured"] == {"value": 0.7, "at": "2026-11-24T12:00:00.000Z"}


def test_without_a_configured_metric_no_version_is_called_the_best(store):
    one = only(store, *versions(1), evaluated(1, 0.9), metric=None)
    assert (one["best"], one["primary_metric"]) == (None, None)


def test_one_model_in_several_environments_is_one_row_led_by_the_one_nearest_to_production(store):
    collected(store, a_model(), a_model("projects/2/models/m2", environment="dev"), *versions(17),
              *versions(40, model="projects/2/models/m2"))  # fmt: skip
    (one,) = ask(store).data["models"]
    assert one["environments"] == ["prod", "dev"]
    assert (one["newest"]["version"], one["newest"]["environment"]) == ("17", "prod")
    (one,) = ask(store, Filters(environment="dev")).data["models"]
    assert one["newest"]["version"] == "40"


def test_a_version_names_the_run_and_the_commit_that_it_comes_from(store):
    run = Ref("pipeline-job", "projects/1/pipelineJobs/t1")
    one = only(store, a_training(), a_model_version("17", by=run, labels={"git_sha": "abc"}))
    assert one["newest"]["run"] == "vertex.example:pipeline-job:projects/1/pipelineJobs/t1"
    assert one["newest"]["sha"] == "abc"


def test_a_page_says_how_many_models_there_are(store):
    collected(store, *(a_model(f"m{n}", f"model-{n:02}") for n in range(models.LISTED + 3)))
    answer = ask(store)
    assert answer.truncated == {"shown": models.LISTED, "of": models.LISTED + 3}
    assert ask(store, Filters(page=2)).shown == 3
    assert ask(store, Filters(limit=100)).shown == models.LISTED + 3


def test_product_and_words_narrow_the_list(store):
    keys = collected(store, a_model("m1", "a-model"), a_model("m2", "b-model"))
    with store.write() as conn:
        belongs(conn, "churn", "model", keys["m2"])
    assert [one["name"] for one in ask(store, Filters(product="churn")).data["models"]] == ["b-model"]
    assert [one["name"] for one in ask(store, Filters(text="A-MOD")).data["models"]] == ["a-model"]


@pytest.mark.parametrize("kind", ["model:projects/1/models/m1", "model-version:projects/1/models/m1@17"])
def test_a_model_is_opened_by_itself_or_by_one_of_its_versions_with_its_metrics_over_time(store, kind):
    collected(store, a_model(), *versions(17), point("17", 0.7, at=ago(days=100)), point("17", 0.8, at=ago(days=2)),
              point("17", 0.9), point("17", 0.1, "region=north"))  # fmt: skip
    opened = ask(store, Filters(selected=f"vertex.example:{kind}")).data["selected"]
    assert opened["name"] == "demand-forecast"
    (series,) = opened["series"]
    assert [one["value"] for one in series["points"]] == [0.8, 0.9]


def test_no_models_says_why(store):
    with store.write() as conn:
        source = a_source(conn, "vertex")
        for stream in ("models", "evaluations", "endpoints"):
            a_stream(conn, source, stream)
    assert ask(store).empty_because == "The sources hold no models."
