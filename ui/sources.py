"""Draws Sources: what each source gives and costs, what it lacks and how to grant it, and what we only guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.queries.base import Answer
from services.vocabulary import Freshness
from ui import components, runtime, words
from ui.components import Column, copy_button, heading, notice_html, source_link, table
from ui.markup import Html, draw, join, tag
from ui.status import badge, sign

TITLES = {"gitlab": "GitLab", "terraform": "Terraform", "vertex": "Vertex AI", "bigquery": "BigQuery"}
_GOOD = frozenset({Freshness.FRESH, "off"})
_WORST = {word: place for place, word in enumerate(("broken", "no-access", "stale", "never", "fresh", "off"))}

_CSV = tuple(
    Column(name.replace("_", " "), lambda row: "", name=name)
    for name in (
        "source", "kind", "stream", "scope", "status", "outcome", "as_of", "tried_at", "promise_seconds",
        "every_seconds", "lag_seconds", "rows", "rejected", "waiting", "fill_progress", "history_since", "error",
        "mend", "needs", "grant",
    )
)  # fmt: skip


def show(answer: Answer) -> None:
    """The whole page."""
    zone, now = runtime.config().team.zone, runtime.clock()
    data = answer.data
    sections = [
        _head(data, now, zone),
        *(_source(one, _of(data["streams"], one), _of(data["parts"], one), now, zone) for one in data["sources"]),
        _parts(data["parts"], now, zone),
        _words(data["unknown_words"], now, zone),
        _rejected(data["rejected"], now, zone),
        _guesses(data["guesses"]),
    ]
    draw(tag("div", join(sections), cls="tl-sources"))
    components.export(data["streams"], _CSV, "sources", "Download streams as CSV")


def _of(streams: Sequence[Mapping[str, Any]], source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    mine = [one for one in streams if (one["source"], one["kind"]) == (source["name"], source["kind"])]
    return sorted(mine, key=lambda one: (_WORST.get(one.get("status", ""), 0), one["stream"]))


def _head(data: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    bad = sum(one["status"] not in _GOOD for one in data["streams"])
    told = words.count(len(data["sources"]), "source") + " · " + words.count(len(data["streams"]), "stream")
    told += f" · {bad} {'needs' if bad == 1 else 'need'} attention" if bad else " · all fresh"
    if data["parts"]:
        told += f" · {words.count(len(data['parts']), 'part')} cannot be read"
    beat = data["collector"]["heartbeat"]
    alive = join(("collector reported ", words.age(beat, now, zone, " ago"))) if beat else "collector has not reported"
    head = heading("Sources", told, " · ", alive, " · configuration ", tag("code", data["config_hash"]), level=1)
    other = data["collector_config_hash"]
    if other and other != data["config_hash"]:
        said = f"The collector still runs with configuration {other}; restart it to take up the file as it is now."
        return join((head, notice_html("amber", said)))
    return head


def _source(
    one: Mapping[str, Any], streams: Sequence[Mapping[str, Any]], unread: Sequence[Mapping[str, Any]],
    now: datetime, zone: ZoneInfo,
) -> Html:  # fmt: skip
    """One source: its status, what it costs, what of it cannot be read and the mend, and its streams."""
    title = join((one["name"], tag("span", TITLES.get(one["kind"], one["kind"]), cls="tl-kind")))
    status = "unreachable" if one["error"] else one["status"]
    shown = badge(status, "cannot connect" if one["error"] else None)
    if unread and status == Freshness.FRESH:
        shown = badge(Freshness.NO_ACCESS, "fresh in part")
    head = tag("div", shown, tag("h2", title),
               tag("span", one["instance"] or "never reached", cls="tl-dim tl-mono"), cls="tl-sourcehead")  # fmt: skip
    parts: list[Html] = [head]
    if not one["configured"]:
        parts.append(notice_html("amber", "It is no longer in the configuration; what was read stays, and grows old."))
    if one["error"]:
        parts.append(notice_html("red", one["error"]))
    parts.append(_calls(one["calls"], now, zone))
    if streams:
        parts.append(_streams(one["name"], streams, len(unread), now, zone))
        lacking = {part["stream"] for part in unread}
        parts += [_unread(part) for part in unread]
        parts += [_lack(stream) for stream in streams
                  if stream["status"] in ("no-access", "broken") or stream["stream"] in lacking]  # fmt: skip
    else:
        parts.append(components.empty_html("No stream was read yet; the first fill begins as soon as it can connect."))
    return tag("section", join(parts), cls="tl-source")


def _streams(name: str, streams: Sequence[Mapping[str, Any]], unread: int, now: datetime, zone: ZoneInfo) -> Html:
    """The table of streams; folded away where every one is fresh and filled."""
    listed = table(streams, _columns(now, zone), f"Streams of {name}")
    if any(one["status"] not in _GOOD or (one["fill_progress"] or 0) < 1 for one in streams):
        return listed
    said = f"{words.count(len(streams), 'stream')}, all fresh" + (
        f" but {words.count(unread, 'part')}" if unread else ""
    )
    return tag("details", tag("summary", said), listed, cls="tl-more")


def _calls(calls: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    """What reading costs: calls an hour as bars, and what the upstream's own limit leaves."""
    minutes: Sequence[int] = calls["by_minute"]
    said = [f"{calls['total'] or 0:,} calls in all"]
    if minutes:
        said.append(f"{sum(minutes):,} in the last hour, {max(minutes)} in its busiest minute")
    if calls["limit"] is not None and calls["remaining"] is not None:
        said.append(f"{calls['remaining']:,} of {calls['limit']:,} left")
    resets = join((", anew ", words.age(calls["resets_at"], now, zone))) if calls["resets_at"] else ""
    return tag("div", _bars(minutes), tag("span", " · ".join(said), resets), cls="tl-calls tl-dim")


def _bars(minutes: Sequence[int]) -> Html:
    """The last hour, a bar a minute; its numbers stand beside it in words."""
    top = max(minutes, default=0)
    if not top:
        return Html("")
    bars = join(
        tag("rect", x=place * 3, y=round(18 - 18 * value / top, 1), width=2, height=round(18 * value / top, 1))
        for place, value in enumerate(minutes)
        if value
    )
    label = f"Calls a minute in the last hour, at most {top}"
    return tag("svg", bars, viewBox=f"0 0 {len(minutes) * 3} 18", width=len(minutes) * 3, height=18, role="img",
               aria_label=label, cls="tl-bars")  # fmt: skip


def _columns(now: datetime, zone: ZoneInfo) -> tuple[Column, ...]:
    def read(row: Mapping[str, Any]) -> Html:
        promise = f"promised within {words.span(row['promise_seconds'])}" if row["promise_seconds"] else ""
        shown = words.age(row["as_of"], now, zone) if row["as_of"] else tag("span", "never", cls="tl-dim")
        return tag("span", shown, title=promise) if not row["as_of"] else shown

    return (
        Column("Stream", lambda row: tag("span", row["stream"].replace("_", " "), title=row["scope"])),
        Column("Status", lambda row: badge(row["status"], raw=row["outcome"] if row["outcome"] != "ok" else None)),
        Column("As of", read),
        Column("Promise", lambda row: words.span(row["promise_seconds"]) if row["promise_seconds"] else "–"),
        Column("Lag", lambda row: "–" if row["lag_seconds"] is None else words.span(row["lag_seconds"])),
        Column("Records", lambda row: f"{row['rows']:,}", numeric=True),
        Column("Waiting", lambda row: f"{row['waiting']:,}" if row["waiting"] else "–", numeric=True),
        Column("First fill", lambda row: _fill(row, now, zone)),
        Column("What is wrong, and the mend", lambda row: _wrong(row, now, zone), wide=True),
    )


def _fill(row: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    progress = row["fill_progress"]
    if progress is None:
        return tag("span", "not begun", cls="tl-dim")
    if progress >= 1:
        since = words.to_time(row["history_since"])
        return tag("span", f"since {words.clock(since, now, zone)}" if since else "done", cls="tl-dim")
    said = words.percent(progress)
    bar = tag("span", tag("span", style=f"width:{progress * 100:.0f}%"), cls="tl-progress", aria_hidden="true")
    return tag("span", bar, said, title="Newest first, so the screen is useful before it is done")


def _wrong(row: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    parts: list[object] = []
    if row["error"]:
        parts.append(row["error"])
    if row["mend"]:
        parts.append(tag("span", row["mend"], cls="tl-dim"))
    if row["resume_at"] and row["outcome"] != "ok":
        at = words.to_time(row["resume_at"])
        if at and at > now:
            parts.append(join(("next try ", words.age(at, now, zone))))
    if row["rejected"]:
        parts.append(words.count(row["rejected"], "record kept aside", "records kept aside"))
    return join(parts, " · ")


def _unread(part: Mapping[str, Any]) -> Html:
    """A part that is refused while its neighbours are read: which, of what, and why."""
    said = (tag("b", part["name"]), " ", part["stream"].replace("_", " "), " cannot be read: ", part["reason"], " ")
    return tag("div", tag("span", sign(Freshness.NO_ACCESS), *said, source_link(part["web_url"])), cls="tl-lack")


def _lack(stream: Mapping[str, Any]) -> Html:
    """What a stream needs, and the step that grants it, ready to be copied."""
    if not (stream["needs"] or stream["grant"]):
        return Html("")
    grant = stream["grant"] or ""
    name = tag("b", stream["stream"].replace("_", " "))
    return tag(
        "div",
        tag(
            "span",
            sign(Freshness.NO_ACCESS if stream["status"] == Freshness.FRESH else stream["status"]),
            name,
            " needs ",
            stream["needs"] or "–",
        ),
        tag("code", grant) if grant else None,
        copy_button(grant, "copy the step") if grant else None,
        cls="tl-lack",
    )


def _parts(parts: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Html:
    columns = (
        Column("Part", lambda row: join((row["name"], " ", source_link(row["web_url"])))),
        Column("Source", lambda row: row["source"]),
        Column("Stream", lambda row: row["stream"].replace("_", " ")),
        Column("Since", lambda row: words.age(row["since"], now, zone, " ago")),
        Column("Last tried", lambda row: words.age(row["tried_at"], now, zone, " ago")),
        Column("Why", lambda row: row["reason"], wide=True),
    )
    aside = "projects and data sets that are refused while their neighbours are read"
    return _section("Parts that cannot be read", aside, parts, columns, "Every part that is known can be read.")


def _words(found: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Html:
    columns = (
        Column("Word", lambda row: tag("code", row["word"])),
        Column("Source", lambda row: row["source"]),
        Column("Stream", lambda row: row["stream"].replace("_", " ")),
        Column("Seen", lambda row: f"{row['count']:,} ×", numeric=True),
        Column("First", lambda row: words.age(row["first_seen_at"], now, zone, " ago")),
        Column("Last", lambda row: words.age(row["last_seen_at"], now, zone, " ago"), wide=True),
    )
    aside = "kept, and shown as unknown"
    return _section("Words we did not know", aside, found, columns, "Every status word was known.")


def _rejected(kept: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    columns = (
        Column("Record", lambda row: row["what"]),
        Column("Source", lambda row: row["source"]),
        Column("Stream", lambda row: row["stream"].replace("_", " ")),
        Column("When", lambda row: words.age(row["at"], now, zone, " ago")),
        Column("Why", lambda row: row["why"], wide=True),
    )
    shown, total = len(kept["recent"]), kept["total"]
    aside = f"{shown:,} of {total:,} shown" if shown < total else words.count(total, "record") if total else ""
    return _section("Records kept aside", aside, kept["recent"], columns, "No record was malformed.")


def _section(
    title: str, aside: object, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str
) -> Html:  # fmt: skip
    body = table(rows, columns, title) if rows else tag("div", empty, cls="tl-dim tl-fine")
    return tag("section", heading(title, aside), body, cls="tl-source")


def _guesses(guesses: Mapping[str, Any]) -> Html:
    products, environments = guesses["products"], guesses["environments"]
    if not products and not environments:
        head = heading("Guesses", "what belongs together, and where it counts")
        said = "Nothing is guessed: products and environments are all configured or labelled."
        return tag("section", head, tag("div", said, cls="tl-dim tl-fine"), cls="tl-source")
    count = len(products) + len(environments)
    head = heading("Guesses", f"{words.count(count, 'thing')} placed by naming or labels; this TOML would confirm them")
    toml = guesses["toml"]
    lines = join(tag("div", line or " ") for line in toml.rstrip().split("\n"))
    shown = tag("div", lines, cls="tl-pre", tabindex="0", role="region", aria_label="TOML that confirms the guesses")
    block = tag("div", copy_button(toml, "copy the TOML"), shown, cls="tl-toml") if toml else None
    columns = (
        Column("Thing", lambda row: row["name"]),
        Column("Kind", lambda row: row["kind"].replace("_", " ")),
        Column("Taken for", lambda row: row.get("product") or row.get("environment")),
        Column("Because of", _because, wide=True),
    )
    listed = table([*products, *environments], columns, "Guesses")
    each = tag("details", tag("summary", "each guess and its evidence"), listed, cls="tl-more")
    return tag("section", head, block, each, cls="tl-source")


def _because(row: Mapping[str, Any]) -> Html:
    return join([one for one in (row["rule"], row.get("evidence")) if one], ": ")
