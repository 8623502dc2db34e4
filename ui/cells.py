"""Cells of tables: a status, an age, a length, a link that opens a row, and a link to its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ui import components, words
from ui.markup import Html, join, tag
from ui.moment import moment
from ui.status import badge

Row = Mapping[str, Any]
Cell = Callable[[Row], object]


def status(name: str = "state", raw: str = "state_raw", word: Callable[[Row], str | None] | None = None) -> Cell:
    """The row's status as a badge, with the source's own word on hover; `word` replaces ours where it gives one."""
    return lambda row: badge(row.get(name), word(row) if word else None, stale=bool(row.get("stale")), raw=row.get(raw))


def text(name: str) -> Cell:
    """The row's text as it is."""
    return lambda row: row.get(name)


def ago(*names: str) -> Cell:
    """How long ago the first of these times that is known was; empty where none is."""

    def cell(row: Row) -> object:
        for name in names:
            if row.get(name):
                here = moment()
                return words.age(row[name], here.now, here.zone)
        return None

    return cell


def inside(name: str, cell: Cell) -> Cell:
    """A cell of a part of the row; empty where the row has no such part."""
    return lambda row: cell(row[name]) if row.get(name) else None


def length(name: str) -> Cell:
    """A duration in seconds as people read it; empty where the source gave none."""
    return lambda row: None if row.get(name) is None else words.span(row[name])


def count(name: str) -> Cell:
    """A number that counts something; a zero is told apart from what is not known, and stands back."""

    def cell(row: Row) -> object:
        value = row.get(name)
        return tag("span", "0", cls="tl-dim") if value == 0 else value if value is None else f"{value:,}"

    return cell


def opens(name: str, under: str | None = None) -> Cell:
    """A link that opens the row on this page, and below it a line that says more; a second click closes it."""

    def cell(row: Row) -> object:
        said = row.get(name) or f"#{str(row.get('id')).rpartition(':')[2]}"
        link = components.link(said, moment().opening(row.get("id")))
        told = row.get(under) if under else None
        return join((link, tag("div", told, cls="tl-why"))) if told else link

    return cell


def source(said: str = "open") -> Cell:
    """The link to the row's upstream, in a new tab."""
    return lambda row: components.source_link(row.get("web_url"), said)


def project(name: str = "project") -> Cell:
    """A project's path without the group that the team reads, whole on hover."""

    def cell(row: Row) -> object:
        path = row.get(name)
        if not path:
            return None
        shown = next((path[len(group) + 1 :] for group in moment().groups if path.startswith(f"{group}/")), path)
        return tag("span", shown, title=path)

    return cell


def short_sha(name: str = "sha") -> Cell:
    """The first eight digits of a SHA, whole on hover."""

    def cell(row: Row) -> object:
        sha = row.get(name)
        return tag("code", str(sha)[:8], title=sha) if sha else None

    return cell


def clipped(name: str) -> Cell:
    """A text that may be long, cut to the room there is, whole on hover."""
    return lambda row: tag("span", row[name], title=row[name], cls="tl-clip") if row.get(name) else None


def listed(name: str, most: int = 3) -> Cell:
    """A few names, and how many more there are."""

    def cell(row: Row) -> object:
        values = [str(value) for value in row.get(name) or ()]
        more = f" +{len(values) - most}" if len(values) > most else ""
        return tag("span", ", ".join(values[:most]) + more, title=", ".join(values) if more else None)

    return cell


def guessed(name: str) -> Cell:
    """A value, marked where it is a guess."""

    def cell(row: Row) -> Html:
        told = "Found by naming or labels, not by configuration."
        mark = tag("small", " (guess)", title=told) if row.get("guess") else ""
        return join((row.get(name) or "none", mark))

    return cell


def tried(row: Row) -> object:
    """How an environment's newest deployment went."""
    newest = row.get("newest")
    raw = newest["state_raw"] if newest else None
    return badge(row["state"], stale=bool(row.get("stale")), raw=raw) if newest else badge(None, "never deployed")


def runs_now(row: Row) -> object:
    """What an environment runs: the version, and the newest one where that is another, with how it went."""
    current, newest = row.get("current"), row.get("newest")
    shown = tag("code", current["label"], title=current["sha"]) if current else tag("span", "nothing", cls="tl-dim")
    if newest is None or (current and newest["id"] == current["id"]):
        return shown
    return join((shown, tag("span", f" · {newest['label']} {newest['state']}", cls="tl-dim")))


def shipped(row: Row) -> object:
    """Since when production has a merged request, or that it has not."""
    told = row.get("production")
    if told is None:
        return None
    if told["state"] != "shipped":
        rolled_back = told["state"] == "rolled back"
        return badge("rolled back") if rolled_back else badge("waiting", "not yet")
    here = moment()
    return words.age(told["at"], here.now, here.zone, " ago") if told["at"] else tag("span", "yes", title=_EARLIER)


_EARLIER = "It was merged before the first deployment that we know of."


def shares(row: Row) -> str:
    """An endpoint's traffic by version, and what was deployed later and gets none: "v17 90 %, v18 10 %"."""
    split = [one for one in row["traffic"] if one["percent"]]
    said = ", ".join(f"v{one['version']} {words.percent(one['percent'] / 100)}" for one in split) or "no traffic"
    idle = ", ".join(f"v{version}" for version in row["passed_over"])
    return f"{said}; {idle}, deployed later, gets none" if idle else said


def deployed(row: Row) -> object:
    """Where a model's versions serve: "prod v16 90 %"."""
    places = [
        f"{one['environment'] or one['endpoint']} v{one['version']} {words.percent(one['traffic'])}"
        for one in row["deployed"]
    ]
    return ", ".join(places) or tag("span", "nowhere", cls="tl-dim")


def newest(row: Row) -> object:
    """A model's newest version, and by how many versions what serves is behind it."""
    if row["newest"] is None:
        return None
    behind = row["newer_than_deployed"]
    said = f" · {words.count(behind, 'version')} ahead of what serves" if behind else ""
    return join((tag("b", f"v{row['newest']['version']}"), tag("span", said, cls="tl-dim")))


def best(row: Row) -> object:
    """A model's best version and the value it is best by."""
    found, metric = row["best"], row["primary_metric"]
    if metric is None:
        return tag("span", "no metric is configured", cls="tl-dim")
    if found is None:
        return tag("span", f"no {metric['name']} is known", cls="tl-dim")
    how = "" if found["by"] == "evaluation" else ", measured"
    said = f" · {metric['name']} {words.number(found['value'])}{how}"
    return join((tag("b", f"v{found['version']}"), tag("span", said, cls="tl-dim")))


def steps(row: Row) -> object:
    """How many steps went well of how many, with all states on hover."""
    by_status: Mapping[str, int] = row["steps"]["by_status"]
    if not by_status:
        return None
    well = sum(by_status.get(state, 0) for state in ("succeeded", "cached", "skipped"))
    told = ", ".join(f"{number} {state}" for state, number in by_status.items())
    return tag("span", f"{well} of {row['steps']['total']}", title=told)


def drift(row: Row) -> object:
    """Whether reality is as the state holds it; hatched where the check is over a day old."""
    found = row["drift"]
    return badge(found["status"], stale=found["stale"] and found["status"] != "stale")


def changes(row: Row) -> object:
    """What an apply would do: "+1 ~1 −0", a replace by its own sign, red where it would lose data."""
    due = row["pending"]
    signs = (("create", "+"), ("update", "~"), ("delete", "−"), ("replace", "±"))
    told = " ".join(f"{sign}{due[name]}" for name, sign in signs if due[name])
    if not told:
        return badge(due["status"]) if due["checked_at"] is None else tag("span", "none", cls="tl-dim")
    if due["superseded"]:
        return tag("span", f"{told} (planned before the last write)", cls="tl-dim")
    meaning = ", ".join(f"{due[name]} to {name}" for name, _ in signs if due[name])
    return badge("pending", told, raw=meaning, tone="red" if due["destroys"] else None)


def problems(rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """The sentences of what is wrong, one a line; None where nothing is."""
    if not rows:
        return None
    return join(tag("div", one["title"], cls=f"tl-why tl-c-{one['severity']}") for one in rows)


def workspace(row: Row) -> object:
    """A workspace's name, and below it what is wrong with it."""
    link = components.link(row["name"], moment().opening(row["id"]))
    return join((link, problems(row["problems"])))
