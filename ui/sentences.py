"""The sentence that stands before a list: how many are bad, worst first, and over which time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.queries.base import Answer
from services.vocabulary import ScheduleState
from ui import components, urls, words
from ui.markup import Html, join, tag
from ui.status import sign

_QUIET = ("succeeded", "in sync", "serving", "skipped", "canceled")
Part = tuple[int, str]


def _truth(state: str, headline: str, parts: Iterable[Part], *more: object) -> Html:
    """The headline with its sign, then what else is true: numbers that are not zero, then anything else."""
    told = [tag("span", tag("b", f"{number:,}"), " ", said) for number, said in parts if number]
    return tag("div", tag("h1", sign(state), headline), join(told), *more, cls="tl-truth")


def _states(counts: Mapping[str, int], but: str, names: Iterable[str] | None = None) -> list[Part]:
    """The states worst first, as the counts hold them, without the one that the headline tells."""
    return [(counts[state], state) for state in names or counts if state != but and counts.get(state)]


def _window(answer: Answer) -> Html:
    return tag("span", answer.window.why if answer.window else "", cls="tl-dim")


def _went(answer: Answer, one: str, many: str) -> tuple[str, str, str]:
    """(sign, headline, the state that it tells) of runs by their counts."""
    counts: Mapping[str, int] = answer.data["counts"]
    total = sum(counts.values())
    of = f"{total:,} {one if total == 1 else many}"
    for state, verb in (("failed", "failed"), ("failing", "will fail")):
        if counts.get(state):
            return state, f"{counts[state]:,} of {of} {verb}", state
    if not total:
        return "none", f"No {many}", ""
    if counts.get("unknown"):
        return "unknown", f"{counts['unknown']:,} of {of} in a state that we do not know", "unknown"
    waiting = counts.get("waiting", 0)
    if waiting:
        return "waiting", f"{waiting:,} of {of} {'waits' if waiting == 1 else 'wait'} for somebody", "waiting"
    return "succeeded", f"None of {of} failed", ""


def pipelines(answer: Answer) -> Html:
    state, headline, told = _went(answer, "pipeline", "pipelines")
    return _truth(state, headline, _states(answer.data["counts"], told), _window(answer))


def ml_runs(answer: Answer) -> Html:
    data = answer.data
    state, headline, told = _went(answer, "ML run", "ML runs")
    kept = [one["status"] for one in data["schedules"]]
    bad = [word for word in ScheduleState if word not in (ScheduleState.ON_TIME, ScheduleState.COMPLETED)]
    schedules = [(kept.count(word), f"{'schedule' if kept.count(word) == 1 else 'schedules'} {word}") for word in bad]
    cached = [(data["fully_cached"], "trained nothing new")]
    return _truth(state, headline, [*_states(data["counts"], told), *cached, *schedules], _window(answer))


def changes(answer: Answer) -> Html:
    counts, waiting = answer.data["counts"], answer.data["waiting"]
    opened = counts["opened"]
    headline = f"{words.count(opened, 'merge request')} open" if opened else "No merge request is open"
    parts = [
        (waiting["review"], "wait too long for a review" if waiting["review"] != 1 else "waits too long for a review"),
        (counts["drafts"], "draft" if counts["drafts"] == 1 else "drafts"),
        (waiting["production"], "merged and not in production for over a day"),
        (counts["merged"], "merged"),
        (counts["closed"], "closed without a merge"),
    ]
    return _truth("waiting" if waiting["review"] else "opened" if opened else "none", headline, parts, _window(answer))


def environments(answer: Answer) -> Html:
    data = answer.data
    counts: Mapping[str, int] = data["counts"]
    total = sum(counts.values()) + data["never_deployed"]
    failed, waiting = counts.get("failed", 0), counts.get("waiting", 0)
    of = words.count(total, "environment")
    parts: list[Part] = _states(counts, "failed" if failed else "waiting" if waiting else "")
    parts.append((data["never_deployed"], "never deployed to"))
    split = sum(one["state"] == "canary" for one in data["endpoints"])
    parts.append((split, "endpoint with a canary" if split == 1 else "endpoints with a canary"))
    guessed = data["guessed"]
    link = components.link(f"{guessed} placed by a guess", urls.href("sources")) if guessed else None
    if failed:
        return _truth("failed", f"The newest deployment of {failed} of {of} failed", parts, link)
    if waiting:
        return _truth("waiting", f"{waiting} of {of} {'waits' if waiting == 1 else 'wait'} for somebody", parts, link)
    return _truth("succeeded" if total else "none", f"No deployment of {of} failed" if total else "No environments",
                  parts, link)  # fmt: skip


def infrastructure(answer: Answer) -> Html:
    counts: Mapping[str, int] = {**answer.data["counts"]}
    destroying = counts["destroying"]
    states = [(number, state) for state, number in counts.items() if state != "destroying"]
    total = sum(number for number, _ in states)
    of = words.count(total, "workspace")
    if destroying:
        head = f"The next apply of {destroying} of {of} would lose data"
        return _truth("failed", head, states)
    calm = counts.get("in sync", 0)
    if calm == total:
        return _truth("in sync" if total else "none", f"All of {of} in sync" if total else "No workspaces", ())
    worst = next(state for number, state in states if number)
    return _truth(worst, f"{total - calm} of {of} not in sync", states)


def models(answer: Answer) -> Html:
    listed = answer.data["models"]
    behind = sum(bool(one["newer_than_deployed"]) for one in listed)
    nowhere = sum(not one["deployed"] for one in listed)
    better = sum(_better(one) for one in listed)
    of = words.count(answer.of or 0, "model")
    headline = f"{behind} of {of} {'does' if behind == 1 else 'do'} not serve the newest version" if behind else of
    parts = [
        (better, "serve another version than the best" if better != 1 else "serves another version than the best"),
        (nowhere, "served nowhere"),
    ]
    return _truth("warning" if behind else "succeeded" if listed else "none", headline, parts)


def _better(one: Mapping[str, Any]) -> bool:
    """Whether the best version is another than the one with the most traffic in its environment."""
    best = one["best"]
    serving = [place for place in one["deployed"] if best and place["environment"] == best["environment"]]
    return bool(serving) and serving[0]["version"] != best["version"]
