// Reads every list and detail of a local GitLab with @gitbeaker/rest and prints what it saw as JSON.
import { Gitlab } from "@gitbeaker/rest";

const [host, token] = process.argv.slice(2);
const api = new Gitlab({ host, token });
const ids = (list) => list.map((one) => one.id ?? one.name ?? one.tag_name);
const project = "shop/churn";
const seen = {};

seen.metadata = (await api.Metadata.show()).version;
seen.token = (await api.PersonalAccessTokens.show()).scopes;
seen.groupProjects = ids(await api.Groups.allProjects("shop", { includeSubgroups: true }));
seen.projectByPath = (await api.Projects.show(project)).id;
seen.nestedProjectByPath = (await api.Projects.show("shop/platform/infra")).id;
seen.projectsByKey = ids(await api.Projects.all({ pagination: "keyset", orderBy: "id", sort: "asc", perPage: 1 }));
seen.pipelines = ids(await api.Pipelines.all(project, { perPage: 2 }));
seen.pipelinePage = (
  await api.Pipelines.all(project, { perPage: 2, page: 2, maxPages: 1, showExpanded: true })
).paginationInfo;
seen.children = ids(await api.Pipelines.all(project, { source: "parent_pipeline" }));
seen.pipeline = (await api.Pipelines.show(project, 10)).queued_duration;
seen.jobs = ids(await api.Jobs.all(project, { pipelineId: 10, includeRetried: true }));
seen.jobsByKey = ids(await api.Jobs.all(project, { pagination: "keyset", orderBy: "id", sort: "desc", perPage: 2 }));
seen.bridges = (await api.Jobs.allPipelineBridges(project, 10)).map((one) => one.downstream_pipeline.id);
seen.log = await api.Jobs.showLog(project, 101);
seen.tests = (await api.Pipelines.showTestReportSummary(project, 10)).total.count;
seen.mergeRequests = ids(await api.MergeRequests.all({ groupId: "shop", scope: "all", state: "opened" }));
seen.mergeRequest = (await api.MergeRequests.show(project, 1)).head_pipeline.id;
seen.approved = (await api.MergeRequestApprovals.showApprovalState(project, 1)).rules[0].approved;
seen.commits = ids(await api.Commits.all(project)).length;
seen.compare = (await api.Repositories.compare(project, "1".padStart(40, "0"), "2".padStart(40, "0"))).commits.length;
seen.deployments = ids(await api.Deployments.all(project, { updatedAfter: "2026-01-01T00:00:00Z", orderBy: "updated_at" }));
seen.deployment = (await api.Deployments.show(project, 60)).status;
seen.environments = ids(await api.Environments.all(project));
seen.environment = (await api.Environments.show(project, 50)).last_deployment.id;
seen.releases = (await api.ProjectReleases.all(project)).map((one) => one.tag_name);
seen.tags = ids(await api.Tags.all(project));
seen.branches = (await api.Branches.all(project)).map((one) => one.name);
seen.schedules = ids(await api.PipelineSchedules.all(project));
seen.schedule = (await api.PipelineSchedules.show(project, 30)).last_pipeline.id;
seen.images = ids(await api.ContainerRegistry.allRepositories({ projectId: project }));
seen.imageTags = (await api.ContainerRegistry.allTags(project, 80)).map((one) => one.name);
seen.digest = (await api.ContainerRegistry.showTag(project, 80, "v1")).digest;
seen.issues = ids(await api.Issues.all({ groupId: "shop", issueType: "incident" }));
seen.packages = ids(await api.Packages.all({ projectId: project }));
seen.denied = await api.PipelineSchedules.all("shop/platform/infra").catch((error) => error.cause?.response?.status);

console.log(JSON.stringify(seen));
