"""The local Cloud Storage, read by Google's own client."""

from datetime import timedelta

import httpx
import pytest
from google.api_core.exceptions import Forbidden, NotFound, PreconditionFailed
from google.cloud import storage

from tests.emulators.local_google import NOON, PROJECT, empty_upstreams, options, serving

BUCKET = "acme-tf-state"
STATE = "prod/default.tfstate"


@pytest.fixture
def upstreams():
    made = empty_upstreams()
    made.storage.buckets[BUCKET] = {"versioning": {"enabled": True}, "location": "EU"}
    made.storage.buckets["acme-plain"] = {}
    return made


@pytest.fixture
def client(upstreams):
    with serving(upstreams) as url:
        client = storage.Client(project=PROJECT, **options(url))
        yield client
        client.close()


def write(upstreams, serial, bucket=BUCKET, name=STATE):
    return upstreams.storage.put(bucket, name, b'{"serial": %d}' % serial, NOON + timedelta(minutes=serial))


def test_every_generation_of_a_state_is_listed_oldest_first(upstreams, client):
    written = [write(upstreams, serial).generation for serial in (1, 2, 3)]
    blobs = list(client.list_blobs(BUCKET, prefix=STATE, versions=True))
    assert [blob.generation for blob in blobs] == written
    assert [blob.time_deleted is not None for blob in blobs] == [True, True, False]


def test_an_old_generation_gives_its_own_bytes(upstreams, client):
    first = write(upstreams, 1)
    write(upstreams, 2)
    bucket = client.bucket(BUCKET)
    assert bucket.blob(STATE, generation=first.generation).download_as_bytes(retry=None) == b'{"serial": 1}'
    assert bucket.blob(STATE).download_as_bytes(retry=None) == b'{"serial": 2}'


def test_a_plain_listing_shows_only_what_is_live(upstreams, client):
    write(upstreams, 1)
    write(upstreams, 2)
    write(upstreams, 1, name="prod/default.tflock")
    upstreams.storage.delete(BUCKET, "prod/default.tflock", NOON + timedelta(hours=1))
    assert [blob.name for blob in client.list_blobs(BUCKET)] == [STATE]


def test_a_bucket_without_versioning_keeps_no_history(upstreams, client):
    write(upstreams, 1, bucket="acme-plain")
    write(upstreams, 2, bucket="acme-plain")
    assert len(list(client.list_blobs("acme-plain", versions=True))) == 1


def test_metadata_carries_size_times_and_digests(upstreams, client):
    made = write(upstreams, 7)
    blob = client.bucket(BUCKET).get_blob(STATE, generation=made.generation)
    assert (blob.size, blob.content_type) == (13, "application/json")
    assert blob.updated == made.created
    blob.download_as_bytes(checksum="crc32c", retry=None)
    blob.download_as_bytes(checksum="md5", retry=None)


def test_pages_follow_their_tokens_and_a_new_object_shifts_nothing(upstreams, client):
    for number in range(7):
        write(upstreams, 1, name=f"p/{number}")
    pages = client.list_blobs(BUCKET, prefix="p/", page_size=3).pages
    first = [blob.name for blob in next(pages)]
    write(upstreams, 1, name="p/0-earlier")
    rest = [[blob.name for blob in page] for page in pages]
    assert [first, *rest] == [["p/0", "p/1", "p/2"], ["p/3", "p/4", "p/5"], ["p/6"]]


def test_a_delimiter_folds_what_lies_deeper(upstreams, client):
    for name in ("dev/a.tfstate", "dev/b.tfstate", "prod/a.tfstate", "top.tfstate"):
        write(upstreams, 1, name=name)
    listing = client.list_blobs(BUCKET, delimiter="/")
    assert [blob.name for blob in listing] == ["top.tfstate"]
    assert listing.prefixes == {"dev/", "prod/"}


def test_a_range_gives_only_that_part(upstreams, client):
    write(upstreams, 1)
    assert client.bucket(BUCKET).blob(STATE).download_as_bytes(start=1, end=8, retry=None) == b'"serial"'


def test_a_lock_is_taken_only_where_none_is(upstreams, client):
    lock = client.bucket(BUCKET).blob("prod/default.tflock")
    lock.upload_from_string("{}", if_generation_match=0, retry=None)
    with pytest.raises(PreconditionFailed):
        lock.upload_from_string("{}", if_generation_match=0, retry=None)
    client.bucket(BUCKET).blob("prod/default.tflock").delete(retry=None)
    assert client.bucket(BUCKET).get_blob("prod/default.tflock") is None


def test_a_generation_that_has_moved_on_is_not_given(upstreams, client):
    first = write(upstreams, 1)
    write(upstreams, 2)
    with pytest.raises(PreconditionFailed):
        client.bucket(BUCKET).blob(STATE).download_as_bytes(if_generation_match=first.generation, retry=None)


def test_what_is_missing_is_not_found(client):
    with pytest.raises(NotFound):
        client.bucket(BUCKET).blob("nope").download_as_bytes(retry=None)
    with pytest.raises(NotFound):
        list(client.list_blobs("no-such-bucket", retry=None))


def test_a_denied_bucket_says_403_and_holds_no_permission(upstreams, client):
    upstreams.storage.denied[BUCKET] = 403
    with pytest.raises(Forbidden) as caught:
        list(client.list_blobs(BUCKET, retry=None))
    assert caught.value.errors[0]["reason"] == "forbidden"
    assert client.bucket(BUCKET).test_iam_permissions(["storage.objects.list"]) == []
    write(upstreams, 1, bucket="acme-plain")
    assert len(list(client.list_blobs("acme-plain"))) == 1


def test_a_reader_holds_no_permission_to_write(client):
    asked = ["storage.objects.get", "storage.objects.list", "storage.objects.delete"]
    assert client.bucket(BUCKET).test_iam_permissions(asked) == asked[:2]


def test_a_listing_parameter_that_is_not_served_is_refused(client):
    answer = httpx.get(f"{client._connection.API_BASE_URL}/storage/v1/b/{BUCKET}/o?matchGlob=**", trust_env=False)
    assert answer.status_code == 400


def test_answers_hold_no_field_that_google_does_not_have(upstreams, client, shared_data):
    from tests.emulators.discovery import unknown_fields

    write(upstreams, 1)
    listing = httpx.get(f"{client._connection.API_BASE_URL}/storage/v1/b/{BUCKET}/o", trust_env=False).json()
    assert unknown_fields(shared_data / "gcp_other/discovery/storage.v1.json", "Objects", listing) == []
