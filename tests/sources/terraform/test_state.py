"""What a Terraform state tells, in every format, and what of it is never told."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from services.records import Ref, StateContents, Version
from services.redaction import redact_text
from services.sources.base import Unreadable
from services.sources.terraform.parsed import state_version_id, to_records
from services.sources.terraform.state import read_state
from tests.sources.reading import KEY, NOON
from tests.sources.terraform.states import a_resource, a_state, with_attributes

SECRET = "Zebra-Quartz-77-Lantern"
BASE64 = base64.b64encode(f"a:{SECRET}".encode()).decode()


def test_real_states_give_the_counts_that_were_computed_apart(shared_data):
    expected = json.loads((shared_data / "expected" / "terraform_state_counts.shared.json").read_text())
    compared = 0
    for file, counts in expected.items():
        state = read_state((shared_data / file).read_bytes(), KEY)
        found = {
            "version": int(state.format), "terraform_version": state.terraform_version, "serial": state.serial,
            "lineage": state.lineage, "managed_resources": state.managed, "data_resources": state.data_sources,
            "managed_instances": state.instances, "types": dict(state.types), "modules": list(state.modules),
            "indexed_instances": state.indexed, "tainted": state.tainted, "deposed": state.deposed,
            "outputs": state.outputs, "sensitive_outputs": list(state.sensitive_outputs),
            "sensitive_attribute_paths": state.sensitive_paths,
        }  # fmt: skip
        if counts["version"] < 4:
            counts = {name: counts[name] for name in ("version", "serial", "lineage", "tainted", "deposed")} | {
                "managed_instances": counts["resources"], "terraform_version": counts["terraform_version"],
            }  # fmt: skip
        assert {name: found[name] for name in counts} == counts, file
        compared += 1
    assert compared >= 30


def test_no_canary_of_a_real_state_is_in_what_is_read(shared_data):
    for file in (shared_data / "terraform" / "generated_real").glob("*.tfstate"):
        raw = file.read_bytes()
        assert b"example-not-a-secret" in raw
        assert "example-not-a-secret" not in repr(read_state(raw, KEY))


def test_a_deposed_and_a_tainted_instance_are_counted_and_named():
    instances = [
        {"attributes": {"name": "a"}, "status": "tainted"},
        {"attributes": {"name": "a"}, "deposed": "4f2a1b9c"},
    ]
    state = read_state(a_state(a_resource(instances=instances)), KEY)
    assert (state.managed, state.instances, state.tainted, state.deposed) == (1, 2, 1, 1)
    assert [(one.key, one.status) for one in state.resources] == [
        ("google_storage_bucket.models", "tainted"),
        ("google_storage_bucket.models (deposed 4f2a1b9c)", "deposed"),
    ]


@pytest.mark.parametrize(
    ("resource", "address"),
    [
        ({"instances": [{"attributes": {}, "index_key": 2}]}, "google_storage_bucket.models[2]"),
        (
            {"instances": [{"attributes": {}, "index_key": 'eu "west"'}]},
            'google_storage_bucket.models["eu \\"west\\""]',
        ),
        ({"module": 'module.env["dev"]'}, 'module.env["dev"].google_storage_bucket.models'),
        ({"mode": "data"}, "data.google_storage_bucket.models"),
    ],
)
def test_addresses_are_written_as_terraform_writes_them(resource, address):
    assert read_state(a_state(a_resource(**resource)), KEY).resources[0].address == address


def test_a_data_source_is_not_a_managed_resource():
    state = read_state(a_state(a_resource(), a_resource(name="read", mode="data")), KEY)
    assert (state.managed, state.instances, state.data_sources) == (1, 1, 1)


def test_checks_are_counted_by_their_status():
    checks = [{"config_addr": f"check.{word}", "status": word, "objects": None} for word in ("pass", "fail", "fail")]
    assert read_state(a_state(check_results=checks), KEY).checks == {"pass": 1, "fail": 2}


def test_a_state_that_was_never_written_holds_nothing_and_is_no_version():
    state = read_state(b"", KEY)
    assert (state.format, state.serial, state.managed) == ("empty", None, None)
    assert to_records(state, Ref("workspace", "w"), "w", NOON) == ()


def test_an_encrypted_state_says_so_with_its_serial_and_what_to_do():
    raw = json.dumps({"serial": 9, "lineage": "l", "meta": {"key_provider.x": "e30="}, "encrypted_data": "AAAA",
                      "encryption_version": "v0"}).encode()  # fmt: skip
    state = read_state(raw, KEY)
    assert (state.encrypted, state.serial, state.managed, state.resources) == (True, 9, None, ())
    assert "tofu show -json" in state.note
    records = to_records(state, Ref("workspace", "w"), "w", NOON)
    assert [type(record) for record in records] == [Version]
    assert records[0].detail.encrypted is True
    assert records[0].detail.managed is None


def test_format_1_keeps_tainted_objects_in_a_list():
    entry = {"type": "aws_instance", "primary": {"id": "i-1", "attributes": {"id": "i-1"}}, "tainted": [{"id": "i-0"}]}
    raw = json.dumps(
        {"version": 1, "serial": 2, "modules": [{"path": ["root"], "resources": {"aws_instance.web": entry}}]}
    )
    state = read_state(raw.encode(), KEY)
    assert (state.format, state.managed, state.instances, state.tainted) == ("1", 1, 2, 1)


def test_the_output_of_terraform_show_is_read_as_far_as_it_tells(shared_data):
    raw = (shared_data / "terraform" / "terraform_json" / "has_checks__state.json").read_bytes()
    state = read_state(raw, KEY)
    assert (state.format, state.serial, state.lineage) == ("json", None, None)
    assert (state.managed, state.instances, state.modules, state.checks) == (1, 2, ("module.files",), {"pass": 1})
    shown = (shared_data / "terraform" / "generated_real" / "2_rev_b.state.json").read_bytes()
    assert "example-not-a-secret" not in repr(read_state(shown, KEY))


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b'"x"', b'{"version": 5}', b'{"hello": 1}', b'{"version": 4, "resources": [{"mode": "managed"}]}',
     b'{"version": 4, "resources": 7}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_state_is_unreadable_and_says_what_to_give(raw):
    with pytest.raises(Unreadable) as caught:
        read_state(raw, KEY)
    assert "terraform show -json" in caught.value.mend


# What is never told:


def everything(raw: bytes) -> str:
    """All that is kept of a state."""
    state = read_state(raw, KEY)
    return repr((state, to_records(state, Ref("workspace", "w"), "w", NOON)))


HIDING_PLACES = {
    "marked": with_attributes(marked=("description",), description=SECRET, name="x", location=f"near {SECRET}"),
    "named": with_attributes("google_sql_user", password=SECRET, name=f"user-{SECRET}"),
    "in a bag": with_attributes("x_y", env=[{"name": "DB_PASSWORD", "value": SECRET}], image=f"i:{SECRET}"),
    "in a login": with_attributes("x_service", env_json=json.dumps({"U": f"postgres://app:{SECRET}@h/d"}), name=SECRET),
    "in a label": with_attributes(labels={"token": SECRET, "team": "ml"}),
    "in base64 elsewhere": with_attributes("x_y", password=SECRET, name=BASE64),
    "url-encoded elsewhere": with_attributes("x_y", password="a b/" + SECRET, name=quote("a b/" + SECRET, safe="")),
    "split elsewhere": with_attributes("x_y", password=SECRET, name=SECRET[:8] + "\n" + SECRET[8:]),
    "wrapped": with_attributes("x_y", secret={"value": SECRET, "type": "string"}, name=SECRET),
    "a random password": with_attributes("random_password", id=SECRET, result=SECRET, name=SECRET),
}  # fmt: skip


@pytest.mark.parametrize("resource", HIDING_PLACES.values(), ids=HIDING_PLACES)
def test_a_secret_of_a_state_is_nowhere_in_what_is_kept(resource):
    kept = everything(a_state(resource))
    for form in (SECRET, quote(SECRET, safe=""), BASE64, SECRET[8:]):
        assert form not in kept


def test_a_sensitive_output_is_nowhere_and_taints_what_repeats_it():
    outputs = {"connection": {"value": SECRET, "type": "string", "sensitive": True}}
    raw = a_state(with_attributes(name=SECRET, location="eu"), outputs=outputs)
    assert SECRET not in everything(raw)
    assert "'location': 'eu'" in everything(raw)


def test_a_secret_seen_in_a_state_is_replaced_in_what_is_read_later():
    read_state(a_state(with_attributes("google_sql_user", password="Kiwi-Anchor-4417-Birch")), KEY)
    assert redact_text("the job said Kiwi-Anchor-4417-Birch") == "the job said «redacted»"


def test_the_type_of_a_wrapped_value_is_no_secret():
    state = read_state(a_state(with_attributes(secret={"value": "x", "type": "string"}, name="a string of text")), KEY)
    assert state.resources[0].attributes["name"] == "a string of text"


def test_plain_attributes_are_kept_and_others_are_not():
    resource = with_attributes(
        "google_vertex_ai_endpoint", display_name="churn", machine_type="n1-standard-4", min_replica_count=2,
        labels={"team": "ml"}, metadata={"a": "b"}, description="free text", encryption_spec=[{"kms": "k"}],
    )  # fmt: skip
    assert read_state(a_state(resource), KEY).resources[0].attributes == {
        "display_name": "churn", "machine_type": "n1-standard-4", "min_replica_count": 2, "labels": {"team": "ml"},
    }  # fmt: skip


def test_a_path_of_a_type_goes_through_lists():
    template = [{"containers": [{"image": "eu.gcr.io/x/api@sha256:1f", "env": [{"name": "A", "value": SECRET}]}]}]
    found = read_state(a_state(with_attributes("google_cloud_run_v2_service", template=template)), KEY)
    assert found.resources[0].attributes == {"template.containers.image": "eu.gcr.io/x/api@sha256:1f"}


def test_a_fingerprint_says_that_something_changed_and_depends_on_the_key():
    def of(value: str, key: bytes = KEY) -> str:
        return read_state(a_state(with_attributes(password=value)), key).resources[0].fingerprint

    assert of(SECRET) == of(SECRET)
    assert of(SECRET) != of(SECRET + "x")
    assert of(SECRET) != of(SECRET, b"another")
    assert len({of(SECRET, b""), of(SECRET, b"")}) == 1


def test_records_carry_counts_contents_and_the_lineage_where_it_changed():
    state = read_state(a_state(a_resource(), serial=7), KEY)
    version, contents = to_records(state, Ref("workspace", "w"), "prod", NOON)
    assert (version.native_id, version.label, version.of, version.detail.managed) == ("w#7", "7", "prod", 1)
    assert isinstance(contents, StateContents)
    assert (contents.serial, len(contents.resources)) == (7, 1)
    assert state_version_id("w", 1, "other-lineage") == "w#1#other-lineage"
