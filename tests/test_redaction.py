"""What counts as a secret in upstream text, in which disguises it is found, and what is left alone."""

from __future__ import annotations

import base64
import io
import logging
import time
from urllib.parse import quote

import pytest

from services.redaction import (
    REDACTED,
    Known,
    RedactingFilter,
    is_secret_name,
    redact_text,
    redact_value,
    register_secret,
)

GITLAB = "glpat-" + "Zx9Kq2Lm8Rt4Vb7Nw1Yc"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJjYW5hcnkifQ." + "s1gnatureOfTheCanary_0-9"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAcanary\nq83vEjRWeJASNFZ4\n-----END RSA PRIVATE KEY-----"
SHAPES = {
    "gitlab": GITLAB,
    "gitlab-trigger": "glptt-" + "0123456789abcdef0123456789abcdef01234567",
    "github": "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8",
    "google": "AIza" + "SyD3canaryKeyThatIsLongEnough0123456",
    "jwt": JWT,
    "pem": PEM,
    "webhook": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
}


@pytest.mark.parametrize("secret", SHAPES.values(), ids=SHAPES)
def test_a_token_is_known_by_its_shape(secret):
    assert redact_text(f"push failed: {secret} was refused") == f"push failed: {REDACTED} was refused"


@pytest.mark.parametrize("secret", SHAPES.values(), ids=SHAPES)
def test_a_token_is_found_in_base64(secret):
    hidden = base64.b64encode(f"user:{secret}".encode()).decode()
    assert redact_text(f"payload {hidden} sent") == f"payload {REDACTED} sent"


@pytest.mark.parametrize("secret", SHAPES.values(), ids=SHAPES)
def test_a_token_is_found_when_it_is_url_encoded(secret):
    hidden = "".join(f"%{byte:02X}" for byte in secret.encode())
    assert redact_text(f"GET /x?y={hidden}&z=1") == f"GET /x?y={REDACTED}&z=1"
    assert secret[8:] not in (redact_text(f"GET /x?y={quote(quote(secret))}&z=1") or "")


@pytest.mark.parametrize("cut", [3, 8, 14, 20])
def test_a_token_split_over_lines_is_found(cut):
    text = f"export X=\\\n  {GITLAB[:cut]}\n  {GITLAB[cut:]}\nthe job went on"
    redacted = redact_text(text)
    assert GITLAB[cut:] not in redacted
    assert GITLAB[:cut] not in redacted
    assert redacted.endswith("the job went on")


def test_base64_wrapped_at_76_columns_is_found():
    wrapped = base64.encodebytes((PEM * 2).encode()).decode()
    redacted = redact_text(f"key:\n{wrapped}\ndone")
    assert all(line not in redacted for line in wrapped.split())


def test_the_line_after_a_token_stays_readable():
    assert redact_text(f"login with {GITLAB}\nfatal: not found") == f"login with {REDACTED}\nfatal: not found"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("password: hunter2", f"password: {REDACTED}"),
        ("DB_PASSWORD=S3cr3t!x next", f"DB_PASSWORD={REDACTED} next"),
        ('{"client_secret": "abc def", "name": "x"}', f'{{"client_secret": "{REDACTED}", "name": "x"}}'),
        (r"{\"password\":\"abc\"}", rf"{{\"password\":\"{REDACTED}\"}}"),
        ("Authorization: Bearer abc123def456", f"Authorization: Bearer {REDACTED}"),
        ("authorization: Basic dXNlcjpwYXNz", f"authorization: Basic {REDACTED}"),
        ("PRIVATE-TOKEN: abcdef", f"PRIVATE-TOKEN: {REDACTED}"),
        ("https://bot:pa55@gitlab.example.com/x.git", f"https://{REDACTED}@gitlab.example.com/x.git"),
        ("postgresql://app:s3cr3t@db:5432/x", f"postgresql://{REDACTED}@db:5432/x"),
        ("curl -u admin:pw1 https://x", f"curl -u {REDACTED} https://x"),
        ("login --token abc123 --verbose", f"login --token {REDACTED} --verbose"),
        ("GET /maps?key=Ab3dEf7hIj1kLm9nOp2q&v=1", f"GET /maps?key={REDACTED}&v=1"),
        ("password: pw-1234\nab12cd34-x\nnext: 1", f"password: {REDACTED}\n{REDACTED}\nnext: 1"),
        ("db_password: |\n  correct-horse\nnext: 1", f"db_password: |\n  {REDACTED}\nnext: 1"),
        ("sent Basic dXNlcjpwYXNzMQ== there", f"sent Basic {REDACTED} there"),
        ("sent bearer 0a1b2c3d4e there", f"sent bearer {REDACTED} there"),
        ("Cookie: _session=abcdef; other=1", f"Cookie: {REDACTED}"),
    ],
)
def test_what_is_given_to_a_secret_name_goes_and_the_name_stays(text, clean):
    assert redact_text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Merge branch 'feature/token-refresh' into 'main'",
        "fix: token: refresh it when it is about to end",
        "deploy 3f2a9c1e7b0d4f6a8c2e1d3b5a7f9e0c4d6b8a1f to prod",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "registry.example.com/acme/churn/train:1.4.2@sha256:" + "ab" * 32,
        "run 0b8f6a52-5c1e-4f3b-9d0e-2a7c4e6f8b1d of churn-training",
        "europe-west1-docker.pkg.dev/acme-ml-prod/models/demand-forecast-serving:20261123-120000-abcdef1",
        "projects/123456789012/locations/europe-west1/pipelineJobs/demand-forecast-train-20261123060000",
        "password=$DB_PASSWORD and token: ${{ secrets.TOKEN }}",
        "max_tokens=4096 learning_rate=0.01 tokens: 512",
        "secret: projects/acme/secrets/db-password/versions/3",
        "Rotate the secret and the password policy",
        "primary key=id, partition key=created_at",
        "git@gitlab.example.com:acme/churn.git ssh://git@gitlab.example.com/x",
        "at 2026-11-23T12:00:00.000Z google_vertex_ai_endpoint.churn[\"eu\"] was updated in-place",
        "AttributeError: 'NoneType' object has no attribute 'predict_probability_calibrated'",
        "100%25 done, 50% of rows, caf%C3%A9",
        "pulled image with digest registry.example.com/acme/quality:8e8fe241 for the basic integration-tests",
        "secrets:\n  - name\n  mounted: true\ntoken: $TOKEN\nbuild 12345678",
        "the bearer certificate, and a basic understanding of tokens and passwords",
        "risk-scoring-and-task-queue-worker-deployment-prod",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_as_it_is(text):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True), ("DB_PASSWORD", True), ("apiKey", True), ("private_key", True), ("PRIVATE-TOKEN", True),
        ("clientSecret", True), ("kube_config", True), ("connection_string", True), ("db_pass", True),
        ("secret_version", False), ("secret_id", False), ("token_uri", False), ("password_hash", False),
        ("public_key", False), ("max_tokens", False), ("tokenizer", False), ("author", False), ("key", False),
        ("passed", False), ("secret_manager", False), ("monkey", False), ("compass", False),
    ],
)  # fmt: skip
def test_the_name_of_a_secret_is_told_from_that_of_a_reference(name, secret):
    assert is_secret_name(name) is secret


def test_values_lose_their_secrets_by_key_by_pair_and_by_text():
    value = {
        "learning_rate": 0.01, "db_password": "x", "secrets": {"a": "b"}, "uri": "gs://x/y", "max_tokens": 4096,
        "env": [{"name": "API_TOKEN", "value": "abc"}, {"name": "MODE", "value": "fast"}],
        "note": f"uses {GITLAB}", "none": None, "flag": True,
    }  # fmt: skip
    assert redact_value(value) == {
        "learning_rate": 0.01, "db_password": REDACTED, "secrets": {"a": REDACTED}, "uri": "gs://x/y",
        "max_tokens": 4096,
        "env": [{"name": "API_TOKEN", "value": REDACTED}, {"name": "MODE", "value": "fast"}],
        "note": f"uses {REDACTED}", "none": None, "flag": True,
    }  # fmt: skip


def test_values_are_bounded_in_length_and_depth():
    nested: dict = {}
    for _ in range(30):
        nested = {"x": nested}
    assert "…" in str(redact_value(nested))
    assert redact_value(list(range(300)))[-1] == "… 100 more"


@pytest.mark.parametrize("length", range(9, 15))
def test_a_registered_secret_is_found_in_every_disguise(length):
    secret = "plum/tree+window?"[:length]
    register_secret(secret)
    disguises = [
        secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"me:{secret}".encode()).decode(), base64.urlsafe_b64encode(f"x{secret}y".encode()).decode(),
        secret[:4] + "\n" + secret[4:], secret[:4] + "\\\n    " + secret[4:],
    ]  # fmt: skip
    for disguise in disguises:
        assert disguise not in redact_text(f"it was {disguise} then"), disguise


def test_a_text_that_was_read_before_is_read_anew_once_its_secret_is_known():
    assert redact_text("uses marble-lantern-9") == "uses marble-lantern-9"
    register_secret("marble-lantern-9")
    assert redact_text("uses marble-lantern-9") == f"uses {REDACTED}"


def test_what_is_known_for_one_text_is_not_known_for_others():
    known = Known()
    known.add("correct-horse")
    assert redact_text("a correct-horse b", known) == f"a {REDACTED} b"
    assert redact_text("a correct-horse b") == "a correct-horse b"


def test_a_log_line_and_its_traceback_lose_their_secrets():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    log = logging.getLogger("test.redaction")
    log.addHandler(handler)
    log.propagate = False
    try:
        int(f"refused {GITLAB}")
    except ValueError:
        log.exception("calling with %s", GITLAB)
    log.removeHandler(handler)
    assert "ValueError" in stream.getvalue()
    assert GITLAB not in stream.getvalue()


def test_long_and_hostile_text_takes_little_time():
    began = time.process_time()
    for text in ("a" * 200_000, "a=" * 100_000, "eyJ" * 60_000, "%41" * 60_000, "-----BEGIN " * 20_000, "x\n" * 90_000):
        redact_text(text)
    redact_text("z" * 5_000_000)
    assert time.process_time() - began < 10
