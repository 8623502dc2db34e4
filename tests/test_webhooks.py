"""A delivery is taken only when it is proved to come from GitLab, and only for the ids in it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from services import webhooks

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
KEY = b"a key of thirty-two bytes length"
SIGNING = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"object_kind": "pipeline"}'


def signed(body: bytes = BODY, at: datetime = NOW, key: bytes = KEY) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(key, b"delivery-1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "delivery-1", "webhook-timestamp": stamp, "webhook-signature": signature}


def test_the_right_token_is_taken():
    webhooks.verify({"x-gitlab-token": "s3cret"}, BODY, "s3cret", NOW)


def test_a_right_signature_is_taken():
    webhooks.verify(signed(), BODY, SIGNING, NOW)


def test_one_right_signature_among_several_is_enough():
    headers = signed()
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
    webhooks.verify(headers, BODY, SIGNING, NOW)


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        pytest.param({}, "s3cret", id="nothing at all"),
        pytest.param({"x-gitlab-token": "wrong"}, "s3cret", id="a wrong token"),
        pytest.param({"x-gitlab-token": SIGNING}, SIGNING, id="the signing token sent in place of a signature"),
        pytest.param(signed(key=b"another"), SIGNING, id="a wrong signature"),
        pytest.param(signed(body=b"{}"), SIGNING, id="a signature of another body"),
        pytest.param(signed(at=NOW - timedelta(minutes=6)), SIGNING, id="a replay"),
        pytest.param(signed(at=NOW + timedelta(minutes=6)), SIGNING, id="a stamp from the future"),
        pytest.param({**signed(), "webhook-timestamp": "soon"}, SIGNING, id="a stamp that is no number"),
        pytest.param(
            {**signed(key=b"another"), "x-gitlab-token": SIGNING}, SIGNING, id="a right token beside a wrong signature"
        ),
        pytest.param(signed(), "s3cret", id="a signature where a plain secret is configured"),
    ],
)
def test_what_is_not_proved_is_refused(headers, secret):
    with pytest.raises(webhooks.Refused):
        webhooks.verify(headers, BODY, secret, NOW)


@pytest.mark.parametrize(
    ("payload", "kind", "ids"),
    [
        pytest.param(
            {"object_kind": "pipeline", "object_attributes": {"id": 31}, "project": {"id": 7}},
            "pipeline", {"project": "7", "pipeline": "31"}, id="pipeline",
        ),
        pytest.param(
            {"object_kind": "build", "build_id": 5, "pipeline_id": 31, "project_id": 7},
            "build", {"project": "7", "pipeline": "31", "job": "5"}, id="job",
        ),
        pytest.param(
            {"object_kind": "deployment", "deployment_id": 9, "project": {"id": 7}},
            "deployment", {"project": "7", "deployment": "9"}, id="deployment",
        ),
        pytest.param(
            {"object_kind": "merge_request", "object_attributes": {"id": 99, "iid": 4}, "project": {"id": 7}},
            "merge_request", {"project": "7", "merge_request": "4"}, id="merge request",
        ),
        pytest.param({"object_kind": "pipeline", "object_attributes": ["?"], "project": 1.5}, "pipeline", {}, id="?"),
        pytest.param({"object_kind": "build", "build_id": "5; DROP"}, "build", {}, id="an id that is no number"),
        pytest.param({}, "", {}, id="nothing"),
    ],
)  # fmt: skip
def test_only_ids_are_taken_from_a_payload(payload, kind, ids):
    assert webhooks.ids(payload) == (kind, ids)


def test_a_delivery_sent_again_has_the_same_id():
    assert webhooks.delivery_id({"idempotency-key": "k"}, BODY) == "k"
    assert webhooks.delivery_id({}, BODY) == webhooks.delivery_id({}, BODY)
    assert webhooks.delivery_id({}, BODY) != webhooks.delivery_id({}, b"{}")
