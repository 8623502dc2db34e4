"""What the team wrote down: one TOML file, checked as a whole, with every fault named at once."""

from __future__ import annotations

import hashlib
from datetime import time as TimeOfDay  # noqa: N812 - a field below is named "time"
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from services.durations import parse_duration
from services.vocabulary import Tier

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretRef(Section):
    """Where a secret is kept; the secret itself never stands in the configuration."""

    env: str | None = None
    """Name of an environment variable."""
    file: Path | None = None
    """Path of a file that holds nothing but the secret; relative to the configuration file."""
    secret: str | None = None
    """Dotted key in `.streamlit/secrets.toml`."""

    @model_validator(mode="after")
    def _one_place(self) -> SecretRef:
        if sum(place is not None for place in (self.env, self.file, self.secret)) != 1:
            raise ValueError('name exactly one place: env, file or secret, for example {env = "GITLAB_TOKEN"}')
        return self


class Team(Section):
    """Who looks at the screen."""

    name: Name
    time_zone: str = "UTC"
    holidays: str | None = None
    """Country, or country-subdivision, whose public holidays have no standup, for example "DE" or "DE-BE"."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f'{value!r} is no IANA time zone; use a name like "Europe/Berlin" or "UTC"')
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Standup(Section):
    """When the team meets; *since the last standup* is the window of Today."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    time: TimeOfDay = TimeOfDay(9, 30)


class Environment(Section):
    """A column of the picture, in the order of the file."""

    name: Name
    tier: Tier | None = None
    """Told by the name where it is not given."""
    gitlab: tuple[str, ...] = ()
    """Patterns of GitLab environment names that are this environment; the name itself always is."""
    google_project: str | None = None
    states: tuple[str, ...] = ()
    """Patterns of Terraform state names that are this environment."""


class GitLabSource(Section):
    """A GitLab instance, read with a token of scope read_api."""

    kind: Literal["gitlab"]
    name: Name
    url: str
    token: SecretRef
    groups: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    """Projects to read beside the groups' own, as full paths."""
    terraform_states: bool = True
    plan_artifact: str = "throughline-plan.json"
    plan_jobs: tuple[str, ...] = ("*drift*", "*plan*")
    """Names of the jobs whose artifact holds the plan summary."""
    webhook: SecretRef | None = None
    ca_file: Path | None = None
    proxy: str | None = None
    calls_per_minute: int = Field(default=600, ge=1)


class TerraformSource(Section):
    """Terraform states outside GitLab: a Cloud Storage bucket, or local files."""

    kind: Literal["terraform"]
    name: Name
    bucket: str | None = None
    prefix: str = ""
    directory: Path | None = None
    """A folder with *.tfstate and, beside them, NAME.plan.json files."""
    google_project: str | None = None
    credentials: SecretRef | None = None
    api_endpoint: str | None = None
    anonymous: bool = False

    @model_validator(mode="after")
    def _one_backend(self) -> TerraformSource:
        if (self.bucket is None) == (self.directory is None):
            raise ValueError("give either bucket or directory (states that GitLab manages come by the gitlab source)")
        return self


class VertexSource(Section):
    """Vertex AI in one Google project and one or more regions."""

    kind: Literal["vertex"]
    name: Name
    project: str
    project_number: str | None = None
    regions: tuple[str, ...] = Field(min_length=1)
    credentials: SecretRef | None = None
    """A service account key or workload identity file; application default credentials where it is not given."""
    api_endpoint: str | None = None
    """Another address than Google's, for a private endpoint; {region} is replaced."""
    anonymous: bool = False


class BigQuerySource(Section):
    """Model metrics in BigQuery, aggregated there, with a cap on what a query may cost."""

    kind: Literal["bigquery"]
    name: Name
    project: str
    location: str | None = None
    credentials: SecretRef | None = None
    api_endpoint: str | None = None
    anonymous: bool = False
    max_bytes_per_query: int = Field(default=1 << 30, ge=10 << 20)
    max_bytes_per_day: int = Field(default=20 << 30, ge=10 << 20)


SourceConfig = Annotated[GitLabSource | TerraformSource | VertexSource | BigQuerySource, Field(discriminator="kind")]


class Product(Section):
    """What belongs together; patterns are shell-like, and match case-sensitively."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
    title: str | None = None
    projects: tuple[str, ...] = ()
    """GitLab project paths."""
    states: tuple[str, ...] = ()
    """Terraform state names."""
    pipelines: tuple[str, ...] = ()
    """Names of ML pipelines (display names), of their custom jobs and schedules."""
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    feature_views: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    """BigQuery tables as dataset.table."""


class Metric(Section):
    """A number that says how good a model is, and where it is written."""

    product: str
    model: str
    name: Name
    better: Literal["higher", "lower"]
    source: str | None = None
    """Name of the bigquery source; the only one where there is one."""
    table: str | None = None
    """dataset.table or project.dataset.table, with the columns below."""
    sql: str | None = None
    """Instead of a table: one SELECT that gives at, value and, where known, version, environment, slice, n;
    @from, @to and @model are its only parameters."""
    time: str = "at"
    value: str = "value"
    version: str | None = None
    environment: str | None = None
    """A column, or "=prod" for a constant."""
    slice: str | None = None
    where: dict[str, str] = Field(default_factory=dict)
    """Columns that must equal a value, for example {metric = "auc"}."""
    window: Literal["hour", "day"] = "day"
    threshold: float | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Metric:
        if (self.table is None) == (self.sql is None):
            raise ValueError("give either table or sql")
        return self

    @property
    def key(self) -> str:
        return f"{self.product}/{self.model}/{self.name}"


class Api(Section):
    """Who may read /api/v1 and /metrics once sign-in is on."""

    token_sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """SHA-256 of each token, in hex; the tokens themselves stand nowhere."""


class Config(Section):
    """The whole file."""

    team: Team
    history: Duration | Literal["all"] = timedelta(days=120)
    standup: Standup = Standup()
    api: Api = Api()
    environment: tuple[Environment, ...] = (
        Environment(name="dev", tier=Tier.DEVELOPMENT),
        Environment(name="qa", tier=Tier.TESTING),
        Environment(name="prod", tier=Tier.PRODUCTION),
    )
    source: tuple[SourceConfig, ...] = Field(min_length=1)
    product: tuple[Product, ...] = ()
    metric: tuple[Metric, ...] = ()
    not_product_words: tuple[str, ...] = ("ml", "model", "models", "pipeline", "pipelines", "infra", "service")
    late_grace: Duration | None = None
    """Instead of 10 % of the interval (at least 10 minutes, at most 2 hours)."""

    @cached_property
    def hash(self) -> str:
        """Which configuration this is, in 12 hex digits; holds no secret, as the file holds none."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
