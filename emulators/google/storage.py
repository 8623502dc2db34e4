"""What Cloud Storage answers over its JSON API: buckets, objects, and every generation that is kept of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.parser import BytesParser
from typing import Any

import google_crc32c
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulators.data import ObjectVersion, StorageData, Upstreams
from emulators.google.answers import Refusal, refuse_in_the_old_way

Json = dict[str, Any]
Query = Mapping[str, str]

LIST_PARAMETERS = {
    "prefix", "delimiter", "versions", "maxResults", "pageToken", "startOffset", "endOffset",
    "projection", "fields", "alt", "prettyPrint", "userProject", "key", "quotaUser",
}  # fmt: skip


def answer(upstreams: Upstreams, request: Request, body: bytes, now: datetime) -> Response:
    """The answer to one request. Call with `upstreams.lock` held. Raises Refusal."""
    data, query = upstreams.storage, request.query_params
    kind, _, rest = request.url.path.partition("/storage/v1/b")
    bucket, _, tail = rest.removeprefix("/").partition("/")
    if not bucket:
        return _get_only(request, {"kind": "storage#buckets", "items": [_bucket(data, name) for name in data.buckets]})
    if tail == "iam/testPermissions":
        return JSONResponse(_permissions(data, bucket, request.query_params.getlist("permissions")))
    _admit(data, bucket, "storage.objects.list" if tail == "o" else "storage.objects.get")
    if bucket not in data.buckets:
        raise refuse_in_the_old_way(404, "The specified bucket does not exist.")
    if not tail:
        return _get_only(request, _bucket(data, bucket))
    if tail == "o" and kind == "/upload" and request.method in ("POST", "PUT"):
        return _upload(data, bucket, request, body, now)
    if tail == "o":
        return _get_only(request, _listing(data, bucket, query))
    if not tail.startswith("o/"):
        raise refuse_in_the_old_way(404, f"The path '{request.url.path}' is not served here.")
    name = tail.removeprefix("o/")
    version = _version(data, bucket, name, query)
    if request.method == "DELETE":
        _check_generation(query, version.generation)
        data.delete(bucket, name, now)
        return Response(status_code=204)
    if query.get("alt") == "media" or kind == "/download":
        return _media(version, request.headers.get("range", ""))
    return _get_only(request, _object(bucket, name, version))


def by_path(upstreams: Upstreams, request: Request) -> Response:
    """`GET /BUCKET/OBJECT`: the older XML way to read, by which Terraform's own backend reads its state."""
    bucket, _, name = request.url.path.strip("/").partition("/")
    try:
        if request.method != "GET":
            raise refuse_in_the_old_way(405, f"{request.method} is not served here.", "methodNotAllowed")
        _admit(upstreams.storage, bucket, "storage.objects.get")
        version = _version(upstreams.storage, bucket, name, request.query_params)
    except Refusal as refusal:
        code = {403: "AccessDenied", 404: "NoSuchKey"}.get(refusal.status, "InvalidRequest")
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
        return Response(text, refusal.status, media_type="application/xml; charset=UTF-8")
    return _media(version, request.headers.get("range", ""))


def _get_only(request: Request, answer: Json) -> Response:
    if request.method != "GET":
        raise refuse_in_the_old_way(405, f"{request.method} is not served here.", "methodNotAllowed")
    return JSONResponse(answer)


def _admit(data: StorageData, bucket: str, permission: str) -> None:
    status = data.denied.get(bucket)
    if status is None:
        return
    if status == 403:
        message = f"The caller does not have {permission} access to the Google Cloud Storage bucket. Permission "
        message += f"'{permission}' denied on resource (or it may not exist)."
        raise refuse_in_the_old_way(403, message, "forbidden")
    raise refuse_in_the_old_way(status, f"The bucket '{bucket}' answers {status}.")


def _permissions(data: StorageData, bucket: str, asked: list[str]) -> Json:
    """Which of the asked permissions are held: none on a bucket that is denied, as the real call answers."""
    held = [] if bucket in data.denied or bucket not in data.buckets else asked
    read = [one for one in held if one.endswith((".get", ".list"))]
    return {"kind": "storage#testIamPermissionsResponse", **({"permissions": read} if read else {})}


def _bucket(data: StorageData, name: str) -> Json:
    shown = {key: value for key, value in data.buckets[name].items() if not key.startswith("_")}
    return {"kind": "storage#bucket", "id": name, "name": name, "metageneration": "1"} | shown


def _kept(data: StorageData, bucket: str, name: str) -> list[ObjectVersion]:
    """Generations that still exist: without versioning on the bucket, the live one alone."""
    versions = data.objects.get((bucket, name), [])
    if data.buckets[bucket].get("versioning", {}).get("enabled"):
        return versions
    return [version for version in versions if version.deleted is None]


def _listing(data: StorageData, bucket: str, query: Query) -> Json:
    unknown = {name for name in query if name not in LIST_PARAMETERS and query[name].lower() not in ("", "false")}
    if unknown:
        raise refuse_in_the_old_way(400, f"Listing by {', '.join(sorted(unknown))} is not served here.")
    every = query.get("versions", "").lower() == "true"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    entries: dict[tuple[str, int], Json | str] = {}
    for name in sorted(name for owner, name in data.objects if owner == bucket and name.startswith(prefix)):
        if name < query.get("startOffset", "") or (query.get("endOffset") and name >= query["endOffset"]):
            continue
        shown = [one for one in _kept(data, bucket, name) if every or one.deleted is None]
        inside = name[len(prefix) :]
        if shown and delimiter and delimiter in inside:
            folder = prefix + inside.split(delimiter)[0] + delimiter
            entries[(folder, 0)] = folder
            continue
        entries.update({(name, one.generation): _object(bucket, name, one) for one in shown})
    return _page(entries, query)


def _page(entries: dict[tuple[str, int], Json | str], query: Query) -> Json:
    """One page. The token says after which entry to go on, so that a new object shifts nothing."""
    keys = sorted(entries)
    if query.get("pageToken"):
        after = _read_token(query["pageToken"])
        keys = [key for key in keys if key > after]
    size = min(max(int(query.get("maxResults") or 1000), 1), 1000)
    shown = [entries[key] for key in keys[:size]]
    answer: Json = {"kind": "storage#objects"}
    items = [one for one in shown if isinstance(one, dict)]
    prefixes = [one for one in shown if isinstance(one, str)]
    answer |= ({"items": items} if items else {}) | ({"prefixes": prefixes} if prefixes else {})
    if len(keys) > size:
        answer["nextPageToken"] = base64.urlsafe_b64encode(json.dumps(keys[size - 1]).encode()).decode()
    return answer


def _read_token(token: str) -> tuple[str, int]:
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
        return str(name), int(generation)
    except (ValueError, TypeError) as error:
        raise refuse_in_the_old_way(400, "Invalid page token.") from error


def _version(data: StorageData, bucket: str, name: str, query: Query) -> ObjectVersion:
    wanted = query.get("generation")
    for version in reversed(_kept(data, bucket, name)):
        if str(version.generation) == wanted if wanted else version.deleted is None:
            _check_generation(query, version.generation)
            return version
    raise refuse_in_the_old_way(404, f"No such object: {bucket}/{name}")


def _check_generation(query: Query, generation: int) -> None:
    """`ifGenerationMatch` and `ifGenerationNotMatch`; generation 0 means that there is no live object."""
    if "ifGenerationMatch" in query and int(query["ifGenerationMatch"]) != generation:
        raise refuse_in_the_old_way(412, "At least one of the pre-conditions you specified did not hold.")
    if "ifGenerationNotMatch" in query and int(query["ifGenerationNotMatch"]) == generation:
        raise Refusal(304, {"code": 304, "message": "Not Modified"})


def _object(bucket: str, name: str, version: ObjectVersion) -> Json:
    created = _stamp(version.created)
    digests = _digests(version.data)
    shown = {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{version.generation}",
        "name": name,
        "bucket": bucket,
        "generation": str(version.generation),
        "metageneration": "1",
        "contentType": version.content_type,
        "storageClass": "STANDARD",
        "size": str(len(version.data)),
        "md5Hash": digests["md5"],
        "crc32c": digests["crc32c"],
        "etag": base64.b64encode(str(version.generation).encode()).decode(),
        "timeCreated": created,
        "updated": created,
        "timeStorageClassUpdated": created,
    }
    return shown | ({"timeDeleted": _stamp(version.deleted)} if version.deleted else {})


def _digests(data: bytes) -> dict[str, str]:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    crc32c = google_crc32c.value(data).to_bytes(4, "big")
    return {"md5": base64.b64encode(md5).decode(), "crc32c": base64.b64encode(crc32c).decode()}


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _media(version: ObjectVersion, wanted: str) -> Response:
    digests, size = _digests(version.data), len(version.data)
    headers = {
        "X-Goog-Hash": f"crc32c={digests['crc32c']},md5={digests['md5']}",
        "X-Goog-Generation": str(version.generation),
        "X-Goog-Metageneration": "1",
        "X-Goog-Stored-Content-Length": str(size),
    }
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    if not found or found[0] == "bytes=-":
        return Response(version.data, 200, headers, version.content_type)
    first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    last = min(int(found[2]) if found[1] and found[2] else size - 1, size - 1)
    if first >= size or first > last:
        raise refuse_in_the_old_way(416, "Request range not satisfiable")
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(version.data[first : last + 1], 206, headers, version.content_type)


def _upload(data: StorageData, bucket: str, request: Request, body: bytes, now: datetime) -> Response:
    """A media or multipart upload, for terraform's own backend and for tests; resumable ones are refused."""
    query, content_type = request.query_params, request.headers.get("content-type", "application/octet-stream")
    if query.get("uploadType") == "multipart":
        message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        about, media = message.get_payload()  # type: ignore[misc]
        name, content = json.loads(about.get_payload())["name"], media.get_payload(decode=True)
        content_type = media.get_content_type()
    elif query.get("uploadType") == "media":
        name, content = query["name"], body
    else:
        raise refuse_in_the_old_way(501, f"An upload of type {query.get('uploadType')} is not served here.")
    live = [one for one in _kept(data, bucket, name) if one.deleted is None]
    _check_generation(query, live[-1].generation if live else 0)
    return JSONResponse(_object(bucket, name, data.put(bucket, name, content, now, content_type)))
