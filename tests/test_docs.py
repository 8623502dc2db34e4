"""What the documentation tells people to copy does what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.records import Plan, Ref
from services.sources.terraform.plan import read_plan

ROOT = Path(__file__).resolve().parents[1]
WHEN = datetime(2026, 11, 24, tzinfo=UTC)
CANARY = "a value that must not leave the job"


@pytest.fixture
def jq(tmp_path) -> Path:
    """The filter of docs/terraform-drift.md, as somebody would copy it."""
    assert shutil.which("jq"), "jq is missing: scripts/system-packages.sh installs it"
    (told,) = re.findall(r"```jq\n(.*?)```", (ROOT / "docs" / "terraform-drift.md").read_text(), re.DOTALL)
    path = tmp_path / "throughline-plan.jq"
    path.write_text(told)
    return path


def reduced(jq: Path, plan: bytes) -> bytes:
    return subprocess.run(["jq", "-f", jq], input=plan, capture_output=True, check=True).stdout


def told_by(raw: bytes) -> Plan:
    return read_plan(raw, native_id="p", workspace=Ref("workspace", "w"), checked_at=WHEN)


def test_the_summary_that_the_docs_make_says_of_real_plans_what_the_plans_say(jq, shared_data):
    plans = sorted((shared_data / "terraform").glob("*/*plan.json"))
    assert len(plans) > 20
    for path in plans:
        raw = path.read_bytes()
        assert told_by(reduced(jq, raw)) == told_by(raw), path.name


def test_the_summary_that_the_docs_make_holds_no_value(jq):
    plan = f"""{{
      "format_version": "1.2", "terraform_version": "1.11.0", "errored": false,
      "resource_changes": [{{"address": "a.b", "type": "a", "change": {{"actions": ["update"],
        "before": {{"x": {{"y": "{CANARY}"}}}}, "after": {{"x": {{"y": "else"}}}}, "after_unknown": {{}}}}}}],
      "resource_drift": [{{"address": "a.c", "type": "a", "change": {{"actions": ["update"],
        "before": {{"z": ["{CANARY}"]}}, "after": {{"z": ["else"]}}}}}}],
      "planned_values": {{"outputs": {{"o": {{"value": "{CANARY}"}}}}}}, "variables": {{"v": {{"value": "{CANARY}"}}}}
    }}"""
    summary = reduced(jq, plan.encode())
    assert CANARY not in summary.decode()
    assert [one["attributes"] for one in told_by(summary).changes] == [["x.y"]]
    assert [one["attributes"] for one in told_by(summary).drift] == [["z.0"]]
