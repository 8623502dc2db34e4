"""How secrets look: the names they are kept under, and the shapes that tokens and keys have."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

Span = tuple[int, int]

_SPECIFIC = re.compile(
    r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,12}-----(?:.*?-----END[A-Z0-9 ]{0,40}-----|.*)"
    r"|gl(?:pat|oas|rt|dt|cbt|ptt|ft|soat|imt|agent|ffct|rtr)-[\w.\-]{8,}"
    r"|GR1348941[\w\-]{16,}"
    r"|(?:gh[pousr]|github_pat)_\w{16,}"
    r"|AIza[\w\-]{16,}"
    r"|GOCSPX-[\w\-]{10,}"
    r"|ya29\.[\w.\-]{16,}"
    r"|whsec_[A-Za-z0-9+/=_\-]{8,}"
    r"|eyJ[\w\-]{6,4096}\.[\w\-]{6,}(?:\.[\w\-]*)?"
    r"|xox[abeoprs]-[\w\-]{8,}"
    r"|hooks\.slack\.com/(?:services|workflows)/[\w/\-]+"
    r"|dckr_pat_[\w\-]{16,}|dop_v1_\w{16,}|pypi-AgE[\w\-]{16,}|hv[sbr]\.[\w\-]{16,}|\.atlasv1\.[\w\-=]{16,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{16,}"
    r"|LS0tLS1CRUdJTi[A-Za-z0-9+/=\s]+",
    re.DOTALL | re.ASCII,
)
_BOUNDED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"A(?:KIA|SIA|ROA|IDA|GPA|NPA|NVA|PKA)[A-Z0-9]{16}"
    r"|sk-(?:proj-|ant-[a-z0-9]+-)?[A-Za-z0-9]{20,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|SG\.[\w\-]{16,}\.[\w\-]{16,}"
    r"|1//0[\w\-]{20,}"
    r")",
    re.ASCII,
)
_URL_LOGIN = re.compile(r"://([^/\s:@\"'<>]{0,256}:[^@/\s\"'<>]{1,512})@")
_BEARER = re.compile(r"\bbearer[ \t]+([A-Za-z0-9+/=._~\-]{8,})", re.IGNORECASE)
_BASIC = re.compile(r"\bbasic[ \t]+([A-Za-z0-9+/]{8,}={0,2})(?![\w\-])", re.IGNORECASE)
_HEADER = re.compile(
    r"(?i)(?<![\w\-])(?:proxy-)?authorization\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?(?:(?:bearer|basic|digest|token)[ \t]+)?"
    r"([^\s\"'\\,;}]+)"
)
_COOKIE = re.compile(r"(?i)(?<![\w\-])(?:set-)?cookie\\?[\"']?[ \t]*[:=][ \t]*([^\r\n\"']+)")
_LOGIN_FLAG = re.compile(r"(?<!\S)(?:-u|--user)[ =]['\"]?([^\s:'\"]*:[^\s'\"]+)")
_FLAG = re.compile(r"(?<!\S)--?([A-Za-z][\w\-]{2,60})[ \t]+(['\"]?)([^\s'\"\-][^\s'\"]*)\2")
_ASSIGNED = re.compile(
    r"(?<![\w.\-])([A-Za-z_][\w.\-]{0,80})\\?[\"']?(?:[ \t]*(=>|:=|==?|:)[ \t]*)"
    r"(?:\\?\"((?:[^\"\\\r\n]|\\[^\"\r\n])+)\\?\"|\\?'([^'\r\n]+)'|([^\s\"'`,;&<>(){}\[\]|]+))"
)
_BELOW = re.compile(
    r"(?<![\w.\-])([A-Za-z_][\w.\-]{0,80})\\?[\"']?[ \t]*[:=][ \t]*[|>\\]?[+-]?[ \t]*"
    r"\r?\n[ \t]+([^\s:=]{6,})[ \t]*(?=\r?\n|$)"
)
_CONTINUED = re.compile(r"[ \t]*\\?\r?\n[ \t]*([^\s:=]{6,}={0,2})[ \t]*(?=\r?\n|$)")
_REFERENCE = re.compile(
    r"\$|\$\{?[A-Za-z_]\w*(?::[^}]*)?\}?|\$\{\{?.*|\{\{.*|%\w+%|<[^>]*>?|\*+|x{3,}|\[?(?:masked|redacted)\]?|«redacted»"
    r"|(?:null|none|nil|true|false|yes|no|on|off|unset|empty|missing|expired|invalid|required|changed)\.?"
    r"|\(?(?:sensitive|known after apply).*|(?:projects/[^/]+/)?secrets/.*|(?:data|var|local|module|random_\w+)\..*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\d.,]{1,12}%?")
_ORDINARY = re.compile(r"[a-z]+[.!?]?|[A-Z][a-z]+[.!?]?")

_SECRET_WORDS = frozenset({
    "password", "passwd", "passphrase", "passwords", "pwd", "secret", "secrets", "token", "tokens", "credential",
    "credentials", "apikey", "authtoken", "accesstoken", "kubeconfig", "dsn", "hmac", "sas", "cookie", "cookies",
    "privatekey", "secretkey", "accesskey", "authorization", "pgpassword", "passcode", "otp",
})  # fmt: skip
_KEY_BEFORE = frozenset({
    "private", "api", "access", "client", "secret", "shared", "signing", "signature", "encryption", "ssh", "raw",
    "account", "master", "auth", "storage", "service", "deploy", "host", "session", "webhook", "license",
})  # fmt: skip
_PAIRS = frozenset({("connection", "string"), ("auth", "string"), ("kube", "config"), ("pass", "phrase"),
                    ("http", "auth"), ("basic", "auth"), ("auth", "hash"), ("webhook", "url")})  # fmt: skip
_REFERENCE_WORDS = frozenset({
    "version", "versions", "id", "ids", "uri", "url", "urls", "hash", "name", "names", "arn", "path", "paths",
    "file", "files", "filename", "ttl", "expires", "expiry", "expiration", "expire", "expired", "type", "types",
    "count", "counts", "enabled", "disabled", "length", "size", "limit", "limits", "ref", "refs", "reference",
    "fingerprint", "digest", "created", "updated", "at", "rotation", "policy", "project", "location",
    "description", "class", "status", "state", "sha", "sha1", "sha256", "md5", "usage", "scope", "scopes",
    "username", "issuer", "endpoint", "manager", "kind", "mode", "rate", "ratio", "budget", "days", "hours",
    "minutes", "seconds", "period", "label", "labels", "user", "users", "owner", "env", "algorithm", "audience",
    "strategy", "required", "per", "min", "max",
})  # fmt: skip
_COUNTED = frozenset({
    "max", "min", "num", "total", "n", "count", "per", "prompt", "completion", "input", "output", "total_",
    "generated",
})  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether a thing of this name holds a secret: `db_password`, `apiKey`, `PRIVATE-TOKEN`.

    A name that ends as a reference is none (`secret_version`, `token_uri`, `password_hash`, `secret_id`),
    and neither is a count (`max_tokens`) nor a public key.
    """
    words = [word.lower() for part in _PARTS.split(name[:200]) for word in _CAMEL.split(part) if word]
    if not words or words[-1] in _REFERENCE_WORDS:
        return bool(words[-2:] == ["webhook", "url"])
    if "tokens" in words and (len(words) == 1 or _COUNTED.intersection(words)):
        return False
    if words[-1] == "pass" or _SECRET_WORDS.intersection(words):
        return True
    return any(pair in _PAIRS or (pair[1] in ("key", "keys") and pair[0] in _KEY_BEFORE) for pair in pairwise(words))


def shaped(text: str) -> Iterator[Span]:
    """Where tokens, keys and logins stand that are known by their shape alone."""
    yield from (match.span() for match in _SPECIFIC.finditer(text))
    yield from (match.span() for match in _BOUNDED.finditer(text))
    if "://" in text:
        yield from (match.span(1) for match in _URL_LOGIN.finditer(text))


def assigned(text: str) -> Iterator[Span]:
    """Where values stand that are given to a secret's name: `password: …`, `token=…`, `Authorization: …`."""
    yield from (match.span(1) for match in _BEARER.finditer(text) if not _ORDINARY.fullmatch(match[1]))
    yield from (match.span(1) for match in _BASIC.finditer(text) if _is_login(match[1]))
    for pattern in (_HEADER, _COOKIE, _LOGIN_FLAG):
        yield from (match.span(1) for match in pattern.finditer(text) if not _REFERENCE.fullmatch(match[1]))
    for match in _FLAG.finditer(text):
        if is_secret_name(match[1]) and not _REFERENCE.fullmatch(match[3]):
            yield match.span(3)
    for match in _BELOW.finditer(text):
        if is_secret_name(match[1]) and not _REFERENCE.fullmatch(match[2]):
            yield match.span(2)
    for match in _ASSIGNED.finditer(text):
        group = match.lastindex or 0
        if _is_given_secret(match[1], match[2], match[group], quoted=group < 5, rest=text[match.end() :][:40]):
            yield match.span(group)
            # a value that a line break cuts in two goes on as a line of its own
            more = _CONTINUED.match(text, match.end())
            if more and any(char.isdigit() for char in more[1]):
                yield more.span(1)


def _is_login(word: str) -> bool:
    """Whether base64 text is user:password."""
    try:
        inner = base64.b64decode(word, validate=True)
    except ValueError:
        return False
    return b":" in inner and inner.isascii()


def _is_given_secret(name: str, sign: str, value: str, *, quoted: bool, rest: str) -> bool:
    if name.lower() == "key" and sign in ("=", ":"):
        return sign == "=" and looks_random(value)
    if not is_secret_name(name) or _REFERENCE.fullmatch(value):
        return False
    if _NUMBER.fullmatch(value) and len(value) < 6:
        return False
    # "token: refresh it on 401" is prose; "password: hunter" at the end of a line is not
    prose = not quoted and sign == ":" and _ORDINARY.fullmatch(value)
    return not (prose and re.match(r"[ \t]+[a-z]", rest))


_IDENTIFIER = re.compile(
    r"[0-9a-f]{7,64}|(?:sha\d+|md5):[0-9a-f]+|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[\d\-:.TZ+ ]+"
    r"|\S+/\S*|\S+@\S+\.\S+",
    re.IGNORECASE,
)


def looks_random(value: str) -> bool:
    """Whether a value is random enough to be a secret wherever it occurs; digests, UUIDs, times, paths are not."""
    if not 8 <= len(value) <= 4096 or _IDENTIFIER.fullmatch(value):
        return False
    kinds = sum(
        any(test(char) for char in value)
        for test in (str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum() and char not in " -_.")
    )
    return kinds >= 3 or (kinds >= 2 and len(value) >= 20 and any(char.isdigit() for char in value))
