"""Links: made whichever side comes last, with their evidence, and never where two things could be meant."""

from __future__ import annotations

import random

from services import derive
from services.records import ImageDetail, ModelDetail, Ref, Resource, StateContents, Step
from services.store import schema
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    SHA,
    a_deployment,
    a_model,
    a_model_version,
    a_project,
    a_run,
    a_training,
    a_version,
    a_workspace,
    ago,
    an_endpoint,
)
from tests.derive.conftest import Team

OTHER = "f" * 40


def an_image(tag: str, digest: str = "sha256:" + "0" * 64, project: str = "11", **more):
    detail = ImageDetail(repository="acme/forecast-training", tags=(tag, "latest"))
    values = {"digest": digest, "detail": detail, "project": Ref("project", project), "of": "acme/forecast-training"}
    return a_version(f"acme/forecast-training@{digest}@{project}", "image", **values | more)


def ends(team: Team, rule: str) -> list[tuple]:
    return [(row.to_table, row.to_id, row.evidence_kind, row.broken) for row in team.links(rule)]


def test_a_link_is_made_whichever_side_comes_last(team: Team):
    team.arrive(a_run("1"))
    assert not team.links("run-commit")
    commit = team.arrive(a_version(SHA))[SHA]
    assert ends(team, "run-commit") == [("version", commit, "declared", None)]
    team.arrive(a_run("2"))
    assert [row.to_id for row in team.links("run-commit")] == [commit, commit]


def test_a_link_says_its_evidence_in_a_sentence_and_carries_its_rule(team: Team):
    team.arrive(a_run("1"), a_version(SHA))
    (link,) = team.links("run-commit")
    assert link.evidence == f"GitLab ran the pipeline for {SHA}"
    assert link.rule_version == 1


def test_the_same_sha_in_another_gitlab_is_not_joined(team: Team):
    team.arrive(a_run("1"))
    team.arrive(a_version(SHA), instance="other.example")
    assert not team.links("run-commit")


def test_an_ml_run_finds_commit_and_pipeline_over_systems_by_its_labels(team: Team):
    labels = {"git_sha": SHA, "gitlab_pipeline_id": "501"}
    team.arrive(a_training(labels=labels), family="vertex")
    assert ends(team, "ml-run-commit") == [(None, None, "broken", "not found")]
    keys = team.arrive(a_run("501"), a_version(SHA))
    assert ends(team, "ml-run-commit") == [("version", keys[SHA], "declared", None)]
    assert ends(team, "ml-run-pipeline") == [("run", keys["501"], "declared", None)]


def test_a_pipeline_number_that_another_gitlab_has_too_is_told_apart_by_the_commit(team: Team):
    labels = {"git_sha": SHA, "gitlab_pipeline_id": "501"}
    team.arrive(a_training(labels=labels), a_training("t2", labels={"gitlab_pipeline_id": "501"}), family="vertex")
    right = team.arrive(a_run("501"))["501"]
    team.arrive(a_run("501", sha=OTHER), instance="other.example")
    found = {link.from_id: (link.to_id, link.broken) for link in team.links("ml-run-pipeline")}
    assert sorted(found.values(), key=str) == sorted([(right, None), (None, "ambiguous")], key=str)


def test_a_short_sha_in_a_label_joins_nothing(team: Team):
    team.arrive(a_version(SHA))
    team.arrive(a_training(labels={"git_sha": SHA[:8]}), family="vertex")
    assert not team.links("ml-run-commit")


def test_a_short_sha_joins_an_image_only_within_its_project(team: Team):
    commit = team.arrive(
        a_project(), a_project("12", "acme/other"), an_image(SHA[:8]), a_version(SHA, project=Ref("project", "11"))
    )[SHA]
    assert ends(team, "image-commit") == [("version", commit, "inferred", None)]
    team.arrive(an_image(SHA[:8], "sha256:" + "1" * 64, project="12"))
    assert len(team.links("image-commit")) == 1


def test_two_commits_that_begin_alike_make_no_link_but_say_so(team: Team):
    twin = SHA[:8] + "0" * 32
    team.arrive(an_image(SHA[:8]), a_version(SHA, project=Ref("project", "11")))
    team.arrive(a_version(twin, project=Ref("project", "11")))
    (link,) = team.links("image-commit")
    assert (link.to_id, link.evidence_kind, link.broken) == (None, "broken", "ambiguous")
    assert link.evidence.endswith("2 things have it")


def test_a_longer_tag_tells_two_commits_apart_that_begin_alike(team: Team):
    twin = SHA[:8] + "0" * 32
    commits = [a_version(sha, project=Ref("project", "11")) for sha in (SHA, twin)]
    keys = team.arrive(an_image(SHA[:12]), *commits)
    assert ends(team, "image-commit") == [("version", keys[SHA], "inferred", None)]


def test_seven_digits_or_a_word_are_no_sha(team: Team):
    team.arrive(an_image(SHA[:7]), a_version(SHA, project=Ref("project", "11")))
    team.arrive(
        an_image("deadbeefz", "sha256:" + "2" * 64), a_version("deadbeef" + "0" * 32, project=Ref("project", "11"))
    )
    assert not team.links("image-commit")


def test_an_image_comes_from_the_only_job_that_builds_images_for_its_commit(team: Team):
    def job(native_id: str, name: str) -> Step:
        return Step(native_id=native_id, kind="job", run=Ref("pipeline", "1"), name=name, state=RunState.SUCCEEDED,
                    state_raw="success")  # fmt: skip

    keys = team.arrive(a_project(), a_run("1"), job("10", "build-image"), job("11", "scan-image"), an_image(SHA[:8]))
    assert ends(team, "image-job") == [("step", keys["10"], "inferred", None)]
    team.arrive(job("12", "build-gpu-image"))
    assert ends(team, "image-job") == [(None, None, "broken", "ambiguous")]


def a_build(number: str, name: str, run: str = "1", **more) -> Step:
    times = {"started_at": ago(minutes=20), "finished_at": ago(minutes=10)}
    return Step(native_id=number, kind="job", run=Ref("pipeline", run), name=name, state=RunState.SUCCEEDED,
                state_raw="success", final=True, **times | more)  # fmt: skip


def test_of_several_build_jobs_the_one_of_the_images_own_name_made_it(team: Team):
    image = an_image(SHA[:8], of="acme/serving/forecast-api")
    builds = [
        a_build("10", "build-forecast-api"),
        a_build("11", "build-forecast-api-admin"),
        a_build("12", "build-api"),
    ]
    keys = team.arrive(a_project(), a_run("1"), *builds, image)
    assert ends(team, "image-job") == [("step", keys["10"], "inferred", None)]


def test_in_a_monorepo_the_job_that_started_the_child_pipeline_names_the_image(team: Team):
    children = [a_run(number, trigger="parent_pipeline", parent=Ref("pipeline", "1")) for number in ("2", "3")]
    bridges = [
        Step(native_id=f"b{number}", kind="bridge", run=Ref("pipeline", "1"), name=name, state=RunState.SUCCEEDED,
             state_raw="success", downstream=Ref("pipeline", number), final=True)
        for number, name in (("2", "trigger:rules"), ("3", "scorer"))
    ]  # fmt: skip
    builds = [a_build("10", "build-image", "2"), a_build("11", "build-image", "3")]
    keys = team.arrive(
        a_project(), a_run("1"), *children, *bridges, *builds, an_image(SHA[:8], of="acme/monorepo/rules")
    )
    assert ends(team, "image-job") == [("step", keys["10"], "inferred", None)]


def test_of_several_build_jobs_without_a_name_the_only_one_that_ran_when_the_image_was_made(team: Team):
    later = a_build("11", "build-image", "2", started_at=ago(minutes=5), finished_at=ago(minutes=1))
    made = an_image(SHA[:8], created_at=ago(minutes=12))
    keys = team.arrive(a_project(), a_run("1"), a_run("2"), a_build("10", "build-image"), later, made)
    assert ends(team, "image-job") == [("step", keys["10"], "inferred", None)]
    team.arrive(a_build("12", "build-image", "2"))
    assert ends(team, "image-job") == [(None, None, "broken", "ambiguous")], "two ran at that time"


def test_a_model_version_is_joined_to_its_run_its_image_and_its_metrics(team: Team):
    digest = "sha256:" + "a" * 64
    image = team.arrive(an_image("v1", digest))[f"acme/forecast-training@{digest}@11"]
    detail = ModelDetail(
        model=Ref("model", "m1"), run=Ref("pipeline-job", "t1"), image_uri=f"registry.example/x@{digest}"
    )
    keys = team.arrive(a_model("m1"), a_training("t1"), a_model_version("17", "m1", detail=detail), family="vertex")
    assert ends(team, "model-version-run") == [("run", keys["t1"], "declared", None)]
    assert ends(team, "model-version-image-digest") == [("version", image, "identical", None)]


def test_an_image_named_by_tag_is_only_inferred_as_a_tag_can_be_moved(team: Team):
    key = team.arrive(an_image("v1"), instance="gitlab.acme.example")
    detail = ModelDetail(model=Ref("model", "m1"), image_uri="registry.acme.example:443/acme/forecast-training:v1")
    other = ModelDetail(model=Ref("model", "m1"), image_uri="registry.elsewhere.example/acme/forecast-training:v1")
    team.arrive(a_model_version("1", "m1", detail=detail), a_model_version("2", "m1", detail=other), family="vertex")
    (link,) = team.links("model-version-image-tag")
    assert (link.to_id, link.evidence_kind) == (next(iter(key.values())), "inferred")


def _contents(serial: int, *resources: Resource) -> StateContents:
    workspace = Ref("workspace", "forecast-prod")
    return StateContents(workspace=workspace, serial=serial, lineage="L", created_at=NOW, resources=resources)


def test_an_endpoint_and_its_terraform_resource_are_one_thing_though_one_has_the_projects_number(team: Team):
    team.config = team.config.model_copy(update={"source": tuple(
        source.model_copy(update={"project_number": "718"}) if source.kind == "vertex" else source
        for source in team.config.source)})  # fmt: skip
    told = {"name": "9", "location": "europe-west4", "project": "acme-prod"}
    resource = Resource(
        native_id="google_vertex_ai_endpoint.e", workspace=Ref("workspace", "forecast-prod"),
        type="google_vertex_ai_endpoint", address="google_vertex_ai_endpoint.e", mode="managed",
        attributes=told, fingerprint="x",
    )  # fmt: skip
    contents = _contents(41, resource)
    team.arrive(an_endpoint("projects/718/locations/europe-west4/endpoints/9"), family="vertex")
    team.arrive(a_workspace(), contents)
    (link,) = team.links("endpoint-resource")
    assert (link.to_table, link.evidence_kind) == ("resource", "identical")
    empty = _contents(42)
    team.arrive(a_workspace(serial=42), empty)
    assert not team.links("endpoint-resource")


def test_deployment_schedule_and_task_are_joined_by_what_the_upstream_names(team: Team):
    keys = team.arrive(a_project(), a_deployment(run=Ref("pipeline", "1"), step=Ref("job", "10")), a_version(SHA))
    assert ends(team, "deployment-run")[0][0] == "run"
    assert ends(team, "deployment-job")[0][0] == "step"
    assert ends(team, "deployment-commit") == [("version", keys[SHA], "declared", None)]
    task = Step(native_id="t1/5", kind="task", run=Ref("pipeline-job", "t1"), name="train", state=RunState.SUCCEEDED,
                state_raw="SUCCEEDED", downstream=Ref("custom-job", "j1"))  # fmt: skip
    keys = team.arrive(a_training("t1"), task, a_training("j1", kind="custom-job"), family="vertex")
    assert ends(team, "run-parent") == [("run", keys["t1"], "declared", None)]


def test_a_link_whose_key_went_is_taken_away_and_one_that_stands_keeps_its_time(team: Team):
    team.arrive(a_run("1"), a_version(SHA))
    (before,) = team.links("run-commit")
    team.arrive(a_run("1", coverage=80.0))
    assert team.links("run-commit") == [before]


def test_links_that_are_rebuilt_are_the_same_links(team: Team):
    team.arrive(a_run("1"), a_version(SHA), a_deployment(run=Ref("pipeline", "1")), an_image(SHA[:8]))
    names = ("rule", "from_table", "from_id", "to_table", "to_id", "evidence_kind", "evidence", "broken")
    told = {tuple(getattr(row, name) for name in names) for row in team.rows(schema.link)}
    assert told
    derive.rebuild(team.conn, "links", team.config, NOW)
    assert {tuple(getattr(row, name) for name in names) for row in team.rows(schema.link)} == told


def test_among_thousands_of_things_with_colliding_names_and_numbers_no_join_is_wrong(team: Team):
    """Two GitLabs hold the same project and pipeline numbers; short SHAs collide within and across projects."""
    chance = random.Random(20261124)
    heads = [f"{number:08x}" for number in range(150)]
    shas = [chance.choice(heads) + "".join(chance.choice("0123456789abcdef") for _ in range(32)) for _ in range(1500)]
    truth: dict[str, tuple[str, str, str]] = {}
    held: dict[str, list[tuple[str, str, str]]] = {"one.example": [], "two.example": []}
    for number, sha in enumerate(shas):
        held[chance.choice(list(held))].append((str(number % 700), str(number % 20), sha))
    batches = []
    for instance, things in held.items():
        seen = {run: (project, sha) for run, project, sha in things}
        records = [a_version(sha, project=Ref("project", project)) for _, project, sha in things]
        records += [a_run(run, project=Ref("project", project), sha=sha) for run, (project, sha) in seen.items()]
        records += [
            an_image(sha[: chance.choice((8, 10, 12, 40))], f"sha256:{number:064x}", project, label=sha)
            for number, (_, project, sha) in enumerate(things)
        ]
        batches += [(instance, "gitlab", record) for record in records]
    for number, sha in enumerate(chance.sample(shas, 300)):
        instance = next(name for name, things in held.items() if any(one == sha for *_, one in things))
        run = next(run for run, _, one in held[instance] if one == sha)
        truth[f"t{number}"] = (instance, run, sha)
        labels = {"git_sha": sha, "gitlab_pipeline_id": run}
        batches.append(("vertex.example", "vertex", a_training(f"t{number}", labels=labels)))
    chance.shuffle(batches)
    for start in range(0, len(batches), 700):
        for instance, family in {(one[0], one[1]) for one in batches}:
            some = [record for where, _, record in batches[start : start + 700] if where == instance]
            team.arrive(*some, instance=instance, family=family)
    check_every_join(team, truth)


def check_every_join(team: Team, truth: dict[str, tuple[str, str, str]]) -> None:
    runs = {row.id: row for row in team.rows(schema.run)}
    versions = {row.id: row for row in team.rows(schema.version)}
    made = {rule: [row for row in team.links(rule) if row.to_id is not None]
            for rule in ("run-commit", "image-commit", "ml-run-commit", "ml-run-pipeline")}  # fmt: skip
    for link in made["run-commit"]:
        run, commit = runs[link.from_id], versions[link.to_id]
        assert (run.source_id, run.sha) == (commit.source_id, commit.native_id)
    for link in made["image-commit"]:
        image, commit = versions[link.from_id], versions[link.to_id]
        assert (image.project_id, image.label) == (commit.project_id, commit.native_id)
    for link in made["ml-run-commit"]:
        assert versions[link.to_id].native_id == truth[runs[link.from_id].native_id][2]
    for link in made["ml-run-pipeline"]:
        _, number, sha = truth[runs[link.from_id].native_id]
        assert (runs[link.to_id].native_id, runs[link.to_id].sha) == (number, sha)
    assert min(len(links) for links in made.values()) > 50
    assert any(row.broken == "ambiguous" for row in team.links("image-commit"))
