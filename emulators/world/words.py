"""Titles, branch names and the texts that a viewer must show as text and nothing else."""

from __future__ import annotations

import re
from random import Random

TITLES = {
    "training": (
        "Add holiday features to the training set",
        "Tune learning rate schedule",
        "Validate input schema before training",
        "Log feature importance per slice",
        "Use stratified split by region",
        "Cache the extraction step",
        "Raise early-stopping patience",
        "Evaluate per store cluster",
    ),
    "gated": (
        "Return model version in the response",
        "Add readiness probe",
        "Batch predictions of one customer",
        "Bump base image",
        "Time out slow feature lookups",
        "Add request id to logs",
        "Limit payload size",
    ),
    "twin": (
        "Split batch and api images",
        "Stream forecasts as parquet",
        "Retry on 503 from the endpoint",
        "Use typed settings",
        "Serve quantiles",
    ),
    "dashboard": ("Show forecast bias by week", "Fix week numbering", "Add store filter", "Cache extracts"),
    "features": (
        "Add tenure buckets",
        "Backfill contract features",
        "Drop unused columns",
        "Handle late events",
        "Add freshness check",
    ),
    "monorepo": (
        "Tighten velocity rule",
        "Score in batches",
        "Share the feature client",
        "Add chargeback label source",
        "Explain rule hits",
    ),
    "infra": (
        "Raise min replicas of churn endpoint",
        "Add alert on sync lag",
        "Grant viewer to dashboards",
        "Move buckets into module",
        "Pin provider version",
        "Add feature store quota",
    ),
    "library": (
        "Support pandas 3",
        "Speed up window joins",
        "Add retry with jitter",
        "Document the public API",
        "Type the client",
        "Fix rounding of quantiles",
    ),
}

HOSTILE_TITLES = (
    "<script>alert('merged')</script> sanitise descriptions",
    "**Bold** [click me](javascript:alert(1)) `code` ![x](https://tracker.example/p.png)",
    "Fix \x07bell, \x1b[31mred\x1b[0m and \u202eright-to-left\u202c text\x00",
    "<img src=x onerror=alert(2)> & \"quotes\" 'single' </td></tr></table>",
    '=HYPERLINK("https://evil.example","open") | $(whoami) ; DROP TABLE runs; --',
)
HOSTILE_BRANCHES = (
    "fix/<script>alert(1)</script>",
    "feat/**bold**-[x](y)",
    "fix/ünïcode-測試-🚀",
    "fix/<img/src=x/onerror=alert(3)>",
    "fix/'quote\"-&amp;-100%25",
)


def title_for(kind: str, chance: Random) -> str:
    return chance.choice(TITLES[kind])


def branch_name(title: str, number: int) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"feat/{number}-{words[:40]}"
