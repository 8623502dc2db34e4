"""The local GitLab's GraphQL: an unknown field is an error, queries cost what GitLab says, pages lose nothing."""

from typing import Any

import gitlab
import httpx
import pytest
from graphql import get_named_type, is_leaf_type

from emulators.gitlab.graphql_schema import schema
from tests.emulators.gitlab_builders import TOKEN, a_bridge, a_job, a_pipeline, a_project, a_small_gitlab, at, serving

CHANGED = """query A($g:ID!,$t:Time!,$first:Int,$c:String){ queryComplexity{score limit}
 group(fullPath:$g){ projects(includeSubgroups:true,first:$first,after:$c){ pageInfo{hasNextPage endCursor}
  nodes{ id fullPath lastActivityAt
   pipelines(first:5,updatedAfter:$t){nodes{id iid status ref sha source name createdAt updatedAt startedAt finishedAt
    duration queuedDuration failureReason}}
   terraformStates(first:20){nodes{name lockedAt lockedByUser{username} createdAt updatedAt latestVersion{
    serial createdAt createdByUser{username} job{id webPath} downloadPath}}} }}}}"""
WITH_JOBS = """query B($g:ID!,$t:Time!,$first:Int){ queryComplexity{score limit}
 group(fullPath:$g){ projects(includeSubgroups:true,first:$first){ pageInfo{hasNextPage endCursor}
  nodes{ id fullPath lastActivityAt
   pipelines(first:3,updatedAfter:$t){nodes{id iid status ref sha source name createdAt updatedAt startedAt finishedAt
    duration queuedDuration failureReason
    jobs(first:50,retried:false){nodes{id name status stage{name} startedAt finishedAt duration queuedDuration
     failureMessage allowFailure manualJob webPath}}}}}}}}"""


@pytest.fixture
def upstreams():
    return a_small_gitlab()


@pytest.fixture
def ask(upstreams):
    with serving(upstreams) as (url, _), httpx.Client(base_url=url, headers={"PRIVATE-TOKEN": TOKEN}) as client:

        def post(query: str, **variables: Any) -> dict[str, Any]:
            answer = client.post("/api/graphql", json={"query": query, "variables": variables})
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield post


def of_churn(ask, selection: str) -> Any:
    answer = ask(f'{{ project(fullPath:"shop/churn"){{ {selection} }} }}')
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["project"]


@pytest.mark.parametrize(
    ("query", "first", "score"),
    [(CHANGED, 50, 70), (CHANGED, 100, 92), (WITH_JOBS, 100, 98)],
    ids=["changes of 50 projects", "changes of 100 projects", "jobs of 100 projects"],
)
def test_a_query_costs_what_gitlabs_rule_says(ask, query, first, score):
    answer = ask(query, g="shop", t="2026-01-01T00:00:00Z", first=first)
    assert "errors" not in answer
    assert answer["data"]["queryComplexity"] == {"score": score, "limit": 250}


def test_an_alias_a_project_pays_the_full_price(ask):
    selection = "pipelines(first:100){nodes{id iid status ref sha jobs(first:20){nodes{id name status}}}}"
    aliases = " ".join(f'p{n}: project(fullPath:"shop/churn"){{ {selection} }}' for n in range(10))
    answer = ask(f"{{ {aliases} }}")
    assert "exceeds max complexity of 250" in answer["errors"][0]["message"]
    assert "data" not in answer


def test_several_queries_in_one_request_share_the_limit(upstreams):
    heavy = {"query": '{ group(fullPath:"shop"){ projects(first:100){nodes{pipelines(first:100){nodes{'
                      "id iid sha ref status name jobs{nodes{id name}}}}}}} }"}  # fmt: skip
    with serving(upstreams) as (url, _):
        answers = httpx.post(f"{url}/api/graphql", json=[heavy] * 6, headers={"PRIVATE-TOKEN": TOKEN}).json()
        alone = httpx.post(f"{url}/api/graphql", json=[heavy], headers={"PRIVATE-TOKEN": TOKEN}).json()
    assert all("max complexity" in answer["errors"][0]["message"] for answer in answers)
    assert "errors" not in alone[0]


@pytest.mark.parametrize("field", ["nope", "queuedSince", "commitSha"])
def test_a_field_that_gitlab_does_not_have_is_an_error_and_no_data(ask, field):
    answer = ask(f'{{ project(fullPath:"shop/churn"){{ pipelines{{nodes{{ {field} }}}} }} }}')
    assert field in answer["errors"][0]["message"]
    assert "data" not in answer


def test_a_query_over_ten_thousand_characters_or_twenty_levels_is_refused(ask):
    assert ask("{ currentUser { id } } #" + "x" * 10_000)["errors"]
    deep = "{ " + "pipeline { project { " * 10 + "id" + " } }" * 10 + " }"
    answer = ask(f'{{ project(fullPath:"shop/churn") {{ pipeline(iid:1) {{ project {deep} }} }} }}')
    assert "depth" in answer["errors"][0]["message"]


@pytest.mark.parametrize("field", ["environments", "jobs", "pipelineSchedules"])
def test_some_fields_may_be_asked_for_of_one_project_only(ask, field):
    answer = ask(
        f'{{ group(fullPath:"shop"){{ projects(includeSubgroups:true){{nodes{{ {field}{{nodes{{id}}}} }}}}}}}}'
    )
    found = [node[field] for node in answer["data"]["group"]["projects"]["nodes"]]
    assert sorted(connection is None for connection in found) == [False, True]
    assert "only for 1 Project" in answer["errors"][0]["message"]


def test_a_pipeline_has_its_words_in_capitals_and_its_times_in_seconds(ask):
    [found] = of_churn(ask, """pipelines{nodes{id iid status source createdAt finishedAt duration queuedDuration
        coverage
        child warnings stuck user{username} commit{title message authorName} detailedStatus{text} path totalJobs
        failedJobsCount stages{nodes{name}} }}""")["pipelines"]["nodes"]  # fmt: skip
    assert found == {
        "id": "gid://gitlab/Ci::Pipeline/10", "iid": "1", "status": "SUCCESS", "source": "push",
        "createdAt": "2026-11-23T11:30:00Z", "finishedAt": "2026-11-23T11:40:00Z", "duration": 540,
        "queuedDuration": 60.0, "coverage": 81.5, "child": False, "warnings": False, "stuck": False,
        "user": {"username": "ada"}, "detailedStatus": {"text": "Passed"}, "path": "/shop/churn/-/pipelines/10",
        "commit": {"title": "Change 1", "message": "Change 1\n", "authorName": "Ada"}, "totalJobs": 4,
        "failedJobsCount": 0, "stages": {"nodes": [{"name": "test"}, {"name": "deploy"}]},
    }  # fmt: skip


def test_parents_and_children_know_each_other(ask):
    answer = of_churn(ask, """parent: pipeline(iid:1){downstream{nodes{id child}} upstream{id}}
        child: pipeline(id:"gid://gitlab/Ci::Pipeline/20"){upstream{id} child sourceJob{name kind}}
        pipelines(source:"parent_pipeline"){nodes{id}}""")  # fmt: skip
    ten, twenty = "gid://gitlab/Ci::Pipeline/10", "gid://gitlab/Ci::Pipeline/20"
    assert answer["parent"] == {"downstream": {"nodes": [{"id": twenty, "child": True}]}, "upstream": None}
    assert answer["child"] == {"upstream": {"id": ten}, "child": True,
                               "sourceJob": {"name": "deploy-child", "kind": "BRIDGE"}}  # fmt: skip
    assert answer["pipelines"]["nodes"] == [{"id": twenty}]


def test_jobs_with_their_attempts_needs_and_what_they_started(ask):
    fields = "id name kind status retried failureMessage tags stage{name} needs{nodes{name}} downstreamPipeline{id}"
    found = of_churn(ask, f"pipeline(iid:1){{jobs{{count nodes{{{fields}}}}} now: jobs(retried:false){{nodes{{id}}}}}}")
    jobs = {job["id"].rpartition("/")[2]: job for job in found["pipeline"]["jobs"]["nodes"]}
    assert list(jobs) == ["190", "102", "101", "100"]
    assert jobs["100"]["retried"] is True
    assert jobs["100"]["failureMessage"].startswith("There has been a script failure")
    assert jobs["102"]["needs"]["nodes"] == [{"name": "train"}]
    assert jobs["101"]["tags"] == ["gpu"]
    assert jobs["190"]["downstreamPipeline"] == {"id": "gid://gitlab/Ci::Pipeline/20"}
    assert "gid://gitlab/Ci::Build/100" not in {job["id"] for job in found["pipeline"]["now"]["nodes"]}


def test_states_say_who_locked_them_and_which_job_wrote_them(ask, upstreams):
    upstreams.gitlab.states[1, "prod"].lock = {"ID": "x", "_at": at(3), "_username": "ada"}
    [state] = of_churn(ask, """terraformStates{count nodes{name lockedAt lockedByUser{username} updatedAt
        latestVersion{serial createdAt createdByUser{username} job{id webPath} downloadPath}}}""")["terraformStates"][
        "nodes"]  # fmt: skip
    assert state == {
        "name": "prod", "lockedAt": "2026-11-23T11:57:00Z", "lockedByUser": {"username": "ada"},
        "updatedAt": "2026-11-23T11:45:00Z",
        "latestVersion": {
            "serial": 2, "createdAt": "2026-11-23T11:46:00Z", "createdByUser": {"username": "ada"},
            "job": {"id": "gid://gitlab/Ci::Build/100", "webPath": "/shop/churn/-/jobs/100"},
            "downloadPath": "/api/v4/projects/1/terraform/state/prod/versions/2",
        },
    }  # fmt: skip


def test_image_tags_have_digests_only_in_the_repositorys_detail(ask):
    [listed] = of_churn(ask, "containerRepositories{nodes{id path tagsCount}}")["containerRepositories"]["nodes"]
    assert listed["tagsCount"] == 2
    detail = ask(
        "query($id:ContainerRepositoryID!){containerRepository(id:$id){tags(first:1){nodes{name digest totalSize} "
        "pageInfo{hasNextPage}}}}", id=listed["id"],
    )  # fmt: skip
    tags = detail["data"]["containerRepository"]["tags"]
    assert tags["nodes"] == [{"name": "v0", "digest": f"sha256:{0:064x}", "totalSize": "1000"}]
    assert tags["pageInfo"]["hasNextPage"] is True
    assert "errors" in ask('{ project(fullPath:"shop/churn"){containerRepositories{nodes{tags{nodes{name}}}}}}')


def test_the_rest_of_a_project(ask):
    found = of_churn(ask, """mergeRequests{nodes{iid state approved approvedBy{nodes{username}} headPipeline{iid}}}
        environments{nodes{name tier lastDeployment(status:SUCCESS){iid finishedAt job{name}}
         deployments{nodes{status}}}}
        releases{nodes{tagName releasedAt}} pipelineSchedules{nodes{cron active lastPipeline{iid}}}""")  # fmt: skip
    assert found == {
        "mergeRequests": {"nodes": [{"iid": "1", "state": "opened", "approved": True, "headPipeline": {"iid": "1"},
                                     "approvedBy": {"nodes": [{"username": "ada"}]}}]},
        "environments": {"nodes": [{"name": "prod", "tier": "PRODUCTION", "deployments": {"nodes": [
            {"status": "SUCCESS"}]}, "lastDeployment": {"iid": "1", "finishedAt": "2026-11-23T11:35:00Z",
                                                        "job": {"name": "train"}}}]},
        "releases": {"nodes": [{"tagName": "v1.0.0", "releasedAt": "2026-11-23T11:45:00Z"}]},
        "pipelineSchedules": {"nodes": [{"cron": "0 3 * * *", "active": True, "lastPipeline": {"iid": "1"}}]},
    }  # fmt: skip


def test_pages_hold_everything_once_though_new_pipelines_arrive_between_them(ask, upstreams):
    pipelines = upstreams.gitlab.items(1, "pipelines")
    pipelines.extend(a_pipeline(number) for number in range(200, 250))
    seen, after = [], None
    while True:
        answer = ask(
            'query($c:String){project(fullPath:"shop/churn"){pipelines(first:7,after:$c){nodes{id} '
            "pageInfo{hasNextPage endCursor}}}}", c=after,
        )["data"]["project"]["pipelines"]  # fmt: skip
        seen += [node["id"].rpartition("/")[2] for node in answer["nodes"]]
        if not answer["pageInfo"]["hasNextPage"]:
            break
        after = answer["pageInfo"]["endCursor"]
        pipelines.append(a_pipeline(1000 + len(pipelines)))
    assert seen == [str(number) for number in [*range(249, 199, -1), 10]]


def test_the_last_one_left_is_found_behind_the_cursor_when_all_before_it_are_gone(ask, upstreams):
    pipelines = upstreams.gitlab.items(1, "pipelines")
    pipelines.extend(a_pipeline(number, status="running") for number in (5, 30, 31))
    query = """query($c:String){project(fullPath:"shop/churn"){pipelines(status:RUNNING,first:2,after:$c){nodes{id}
        pageInfo{endCursor}}}}"""
    first = ask(query)["data"]["project"]["pipelines"]
    assert [node["id"][-2:] for node in first["nodes"]] == ["31", "30"]
    for pipeline in pipelines[-2:]:
        pipeline["status"] = "success"
    second = ask(query, c=first["pageInfo"]["endCursor"])["data"]["project"]["pipelines"]
    assert [node["id"] for node in second["nodes"]] == ["gid://gitlab/Ci::Pipeline/5"]


def test_a_page_holds_a_hundred_at_most(ask, upstreams):
    upstreams.gitlab.items(1, "pipelines").extend(a_pipeline(number) for number in range(200, 350))
    assert len(of_churn(ask, "pipelines(first:500){nodes{id}}")["pipelines"]["nodes"]) == 100


def test_what_may_not_be_read_is_null_beside_what_may(ask, upstreams):
    upstreams.gitlab.denied[1, "pipelines"] = 403
    upstreams.gitlab.denied[1, "terraform_states"] = 403
    found = of_churn(ask, "fullPath pipelines{nodes{id}} terraformStates{nodes{name}} releases{nodes{tagName}}")
    assert found == {"fullPath": "shop/churn", "pipelines": None, "terraformStates": None,
                     "releases": {"nodes": [{"tagName": "v1.0.0"}]}}  # fmt: skip


def test_a_project_that_is_hidden_is_not_there(ask, upstreams):
    upstreams.gitlab.projects[3] = a_project(3, "shop/hidden")
    upstreams.gitlab.denied[3, "*"] = 404
    assert ask('{ project(fullPath:"shop/hidden"){id} }')["data"] == {"project": None}
    found = ask('{ group(fullPath:"shop"){projects(includeSubgroups:true){nodes{fullPath}}} }')
    assert {"fullPath": "shop/hidden"} not in found["data"]["group"]["projects"]["nodes"]


def test_a_word_newer_than_the_schema_is_served_as_it_is(ask, upstreams):
    upstreams.gitlab.items(1, "pipelines")[0]["status"] = "pondering"
    assert of_churn(ask, "pipelines{nodes{status}}")["pipelines"]["nodes"] == [{"status": "PONDERING"}]


def test_an_unknown_token_is_401_and_python_gitlab_reads_it(upstreams):
    upstreams.gitlab.items(1, "bridges").append(a_bridge(191, downstream=999))
    upstreams.gitlab.items(1, "jobs").append(a_job(104, pipeline=77))
    with serving(upstreams) as (url, _):
        assert httpx.post(f"{url}/api/graphql", json={"query": "{currentUser{id}}"}).status_code == 401
        with gitlab.GraphQL(url, token=TOKEN) as client:
            answer = client.execute("{ metadata{version} currentUser{username} queryComplexity{score} }")
    assert answer == {"metadata": {"version": "18.9.0-ee"}, "currentUser": {"username": "ada"},
                      "queryComplexity": {"score": 6}}  # fmt: skip


def leaves(name: str) -> str:
    """All fields of a type that take no arguments and have no fields of their own."""
    fields = schema().type_map[name].fields.items()
    return " ".join(field for field, made in fields if not made.args and is_leaf_type(get_named_type(made.type)))


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("Project", "{}"),
        ("Repository", "repository{{{}}}"),
        ("Pipeline", "pipelines(first:1){{nodes{{{}}}}}"),
        ("CiJob", "pipeline(iid:1){{jobs(first:5){{nodes{{{}}}}}}}"),
        ("CiJobArtifact", "pipeline(iid:1){{jobs(first:2){{nodes{{artifacts{{nodes{{{}}}}}}}}}}}"),
        ("CiRunner", "pipeline(iid:1){{jobs(first:2){{nodes{{runner{{{}}}}}}}}}"),
        ("MergeRequest", 'mergeRequest(iid:"1"){{{}}}'),
        ("Environment", 'environment(name:"prod"){{{}}}'),
        ("Deployment", "deployment(iid:1){{{}}}"),
        ("Release", "releases{{nodes{{{}}}}}"),
        ("Commit", "releases{{nodes{{commit{{{}}}}}}}"),
        ("UserCore", "releases{{nodes{{author{{{}}}}}}}"),
        ("PipelineSchedule", "pipelineSchedules{{nodes{{{}}}}}"),
        ("TerraformState", "terraformStates{{nodes{{{}}}}}"),
        ("TerraformStateVersion", "terraformStates{{nodes{{latestVersion{{{}}}}}}}"),
        ("ContainerRepository", "containerRepositories{{nodes{{{}}}}}"),
    ],
    ids=lambda value: value if value.isalpha() else "",
)
def test_every_field_of_a_type_answers(ask, kind, where):
    assert of_churn(ask, where.format(leaves(kind)))
