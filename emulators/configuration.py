"""The configuration that points the product at these local upstreams, written so that it reads as the example."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emulators.data import Upstreams

HEAD = """\
# Throughline: what the team wants to see, and where it is read from.
# Written by `python -m emulators`; yours looks the same, with your own addresses and tokens.
# No secret stands in this file: a token is named by {{ env = "NAME" }}, {{ file = "path" }} or {{ secret = "key" }}.

history = "{history}"            # how far back the first fill goes ("all" takes everything)

[team]
name = "{team}"
time_zone = "{zone}"
{holidays}
[standup]                     # "since the last standup" is the window of Today
days = ["mon", "tue", "wed", "thu", "fri"]
time = 09:30:00
"""

GITLAB = """
# --- Where it is read from -------------------------------------------------------------------------

[[source]]
kind = "gitlab"
name = "gitlab"
url = "{url}"
token = {{ file = "{token}" }}  # scope read_api, role Developer
groups = [{groups}]
{projects}calls_per_minute = 600
"""

BUCKET = """
[[source]]                    # states that live in a Cloud Storage bucket; each generation is a version
kind = "terraform"
name = "fraud states"
bucket = "acme-ml-terraform-state"
prefix = "terraform/"
google_project = "acme-ml-prod"
api_endpoint = "{google}"     # leave it out for the real Google Cloud
anonymous = true              # leave it out to use application default credentials
"""

FOLDER = """
[[source]]                    # *.tfstate files and, beside them, NAME.plan.json
kind = "terraform"
name = "local states"
directory = "{folder}"
"""

VERTEX = """
[[source]]
kind = "vertex"
name = "vertex {environment}"
project = "{project}"
{number}regions = [{regions}]
api_endpoint = "{google}"
anonymous = true
"""

BIGQUERY = """
[[source]]
kind = "bigquery"
name = "bigquery"
project = "{project}"
{location}api_endpoint = "{google}"
anonymous = true
max_bytes_per_query = 1073741824    # 1 GiB
"""

DEMO_ENVIRONMENTS = """
# --- The columns of the picture --------------------------------------------------------------------
# What no pattern names is guessed by its tier or its name, and shown as a guess.

[[environment]]
name = "dev"
tier = "development"
gitlab = ["dev", "dev/*", "infra/dev"]
google_project = "acme-ml-dev"
states = ["dev", "experiments", "churn-sandbox"]

[[environment]]
name = "qa"
tier = "testing"
gitlab = ["qa", "qa/*", "infra/qa"]
google_project = "acme-ml-qa"
states = ["qa", "*-qa"]

[[environment]]
name = "prod"
tier = "production"
gitlab = ["production", "production/*", "prod/*", "infra/production"]
google_project = "acme-ml-prod"
states = ["prod", "*-prod", "data-lake", "feature-store", "monitoring", "shared-network", "registry-mirror"]
"""

DEMO_PRODUCTS = """
# --- What belongs together -------------------------------------------------------------------------

[[product]]
name = "demand-forecast"
title = "Demand forecast"
projects = ["acme-ml/demand-forecast/*"]
pipelines = ["demand-forecast-*", "nightly-demand-forecast"]
models = ["demand-quantiles"]
endpoints = ["demand-forecast-*"]
feature_views = ["stores_view"]
tables = ["ml_metrics.demand_forecast_*"]

[[product]]
name = "churn"
title = "Churn"
projects = ["acme-ml/churn/*"]
states = ["churn-*"]
pipelines = ["churn-*", "nightly-churn"]
models = ["churn-classifier"]
endpoints = ["churn-*"]
feature_views = ["churn_view"]
tables = ["ml_metrics.churn_*"]

[[product]]                   # little is said of this one: the rest is guessed from labels, groups and names
name = "fraud-scoring"
title = "Fraud scoring"
states = ["fraud-*"]
"""

DEMO_METRIC = """
[[metric]]
product = "{product}"
model = "{model}"
name = "{name}"
better = "{better}"
table = "{table}"
time = "{time}"
value = "value"
{columns}window = "hour"
{threshold}"""

COLUMNS = """\
version = "version"
environment = "environment"
slice = "slice"
where = {{ metric = "{metric}", model = "{model}" }}
"""


@dataclass(frozen=True)
class Places:
    """Where the local upstreams answer, and where what belongs to them was written."""

    gitlab: str
    google: str
    token: Path
    folder: Path | None


def demo_configuration(places: Places) -> str:
    """The demo team's configuration, as TOML."""
    parts = [
        HEAD.format(history="120d", team="Acme ML", zone="Europe/Amsterdam", holidays='holidays = "NL"\n'),
        DEMO_ENVIRONMENTS,
        GITLAB.format(url=places.gitlab, token=places.token, groups='"acme-ml"', projects=""),
        BUCKET.format(google=places.google),
        FOLDER.format(folder=places.folder),
    ]
    numbers = {"dev": "718203440112", "qa": "718203440226", "prod": "718203440339"}
    for environment, number in numbers.items():
        parts.append(
            VERTEX.format(
                environment=environment,
                project=f"acme-ml-{environment}",
                number=f'project_number = "{number}"\n',
                regions=_texts(["europe-west4"]),
                google=places.google,
            )
        )
    parts.append(BIGQUERY.format(project="acme-ml-prod", location='location = "EU"\n', google=places.google))
    parts += [DEMO_PRODUCTS, *_demo_metrics()]
    return "".join(parts)


def _demo_metrics() -> list[str]:
    """One with a threshold for each product, one without, one with too little data, and one that may not be read."""
    rows = (
        ("demand-forecast", "demand-quantiles", "wape", "lower", "ml_metrics.demand_forecast_metrics", "0.22"),
        ("churn", "churn-classifier", "auc", "higher", "ml_metrics.churn_metrics", "0.78"),
        ("churn", "churn-classifier", "log_loss", "lower", "ml_metrics.churn_metrics", None),
        ("fraud-scoring", "fraud-detector", "pr_auc", "higher", "ml_metrics.fraud_scoring_metrics", "0.58"),
        ("demand-forecast", "store-pilot", "wape", "lower", "ml_metrics.store_pilot_metrics", None),
    )
    found = ["\n# --- How good the models are " + "-" * 71 + "\n"]
    for product, model, name, better, table, threshold in rows:
        columns = COLUMNS.format(metric=name, model=model)
        limit = f"threshold = {threshold}\n" if threshold else ""
        found.append(
            DEMO_METRIC.format(
                product=product,
                model=model,
                name=name,
                better=better,
                table=table,
                time="at",
                columns=columns,
                threshold=limit,
            )
        )
    found.append(
        DEMO_METRIC.format(
            product="fraud-scoring",
            model="fraud-detector",
            name="label_rate",
            better="higher",
            table="fraud_private.labels",
            time="evaluated_at",
            columns="",
            threshold="",
        )
    )
    return found


def found_configuration(upstreams: Upstreams, places: Places) -> str:
    """A configuration for whatever the upstreams hold (a replay, a generated fleet): no products, all of the past."""
    gitlab = upstreams.gitlab
    roots = sorted({group["full_path"].split("/", 1)[0] for group in gitlab.groups})
    paths = [project["path_with_namespace"] for project in gitlab.projects.values()]
    outside = [path for path in paths if path.split("/", 1)[0] not in roots]
    roots += sorted({path.split("/", 1)[0] for path in outside if "/" in path} - set(roots))
    alone = sorted(path for path in outside if "/" not in path)
    parts = [HEAD.format(history="all", team="Replay", zone="UTC", holidays="")]
    parts.append('\n[[environment]]\nname = "dev"\n\n[[environment]]\nname = "qa"\n\n[[environment]]\nname = "prod"\n')
    if paths:
        listed = f"projects = [{_texts(alone)}]\n" if alone else ""
        parts.append(GITLAB.format(url=places.gitlab, token=places.token, groups=_texts(roots), projects=listed))
    if places.folder is not None and upstreams.files:
        parts.append(FOLDER.format(folder=places.folder))
    for project, regions in sorted(_vertex_places(upstreams).items()):
        listed = _texts(sorted(regions))
        parts.append(
            VERTEX.format(environment=project, project=project, number="", regions=listed, google=places.google)
        )
    for project in sorted({key[0] for key in upstreams.bigquery.tables}):
        parts.append(BIGQUERY.format(project=project, location="", google=places.google))
    return "".join(parts)


def _vertex_places(upstreams: Upstreams) -> dict[str, set[str]]:
    """Project (by id, where it is known) and the regions of everything in Vertex AI."""
    ids = {number: name for name, number in upstreams.vertex.numbers.items()}
    found: dict[str, set[str]] = {}
    for resources in upstreams.vertex.resources.values():
        for name in resources:
            parts = name.split("/")
            if len(parts) > 3:
                found.setdefault(ids.get(parts[1], parts[1]), set()).add(parts[3])
    return found


def _texts(values: list[str]) -> str:
    return ", ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
