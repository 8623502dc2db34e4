"""Where Google credentials come from, and what is said when there are none."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials

from services.config import SecretRef, VertexSource
from services.redaction import redact_text
from services.secrets import SecretMissing, Secrets
from services.sources.base import AccessDenied, Unreachable
from services.sources.google import credentials
from services.sources.vertex import SOURCE
from tests.sources.reading import read

WORKLOAD = {
    "type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "jwt",
    "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/x"},
}  # fmt: skip
KEY_FILE = SecretRef(file="key.json")


@pytest.fixture
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def key_file(tmp_path, text: str) -> Secrets:
    (tmp_path / "key.json").write_text(text)
    return Secrets(tmp_path, environ={})


def a_key(private_key: str, **more: str) -> str:
    known = {"type": "service_account", "project_id": "acme", "private_key_id": "1", "private_key": private_key,
             "client_email": "throughline@acme.iam.gserviceaccount.com", "client_id": "2",
             "token_uri": "http://127.0.0.1:9/token"}  # fmt: skip
    return json.dumps(known | more)


def test_a_key_file_is_read_for_reading_alone(tmp_path, private_key):
    made = credentials(KEY_FILE, key_file(tmp_path, a_key(private_key)), anonymous=False)
    assert made.service_account_email == "throughline@acme.iam.gserviceaccount.com"
    assert made.scopes == ["https://www.googleapis.com/auth/cloud-platform.read-only"]


def test_a_key_that_was_read_is_not_repeated(tmp_path, private_key):
    credentials(KEY_FILE, key_file(tmp_path, a_key(private_key)), anonymous=False)
    middle = private_key.splitlines()[5]
    assert middle not in redact_text(f"it says {a_key(private_key)}")


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}, "google.oauth2"),
        (WORKLOAD, "google.auth.identity_pool"),
    ],
)
def test_a_login_and_a_workload_identity_are_read_too(tmp_path, file, kind):
    assert type(credentials(KEY_FILE, key_file(tmp_path, json.dumps(file)), anonymous=False)).__module__.startswith(
        kind
    )


def test_anonymous_needs_nothing(tmp_path):
    assert isinstance(credentials(None, None, anonymous=True), AnonymousCredentials)


@pytest.mark.parametrize("text", ["not json", "{}", '{"type": "service_account"}', '{"type": "strange"}'])
def test_a_file_that_is_no_key_is_said_with_the_mend(tmp_path, text):
    with pytest.raises(AccessDenied) as caught:
        credentials(KEY_FILE, key_file(tmp_path, text), anonymous=False)
    assert caught.value.mend


def test_a_file_that_is_not_there_is_a_missing_secret(tmp_path):
    with pytest.raises(SecretMissing):
        credentials(KEY_FILE, Secrets(tmp_path, environ={}), anonymous=False)


def test_no_default_credentials_is_said_with_the_mend(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(AccessDenied) as caught:
        credentials(None, None, anonymous=False)
    assert "gcloud auth application-default login" in caught.value.mend


def test_a_token_server_that_does_not_answer_leaves_the_source_unread(tmp_path, private_key):
    source = VertexSource(kind="vertex", name="v", project="acme", regions=("europe-west4",), credentials=KEY_FILE,
                          api_endpoint="http://127.0.0.1:9")  # fmt: skip
    client = SOURCE.connect(source, key_file(tmp_path, a_key(private_key)))
    with pytest.raises(Unreachable):
        read(SOURCE, "endpoints", client, source)
    client.close()
