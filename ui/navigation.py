"""The pages in the order of the sidebar, and the small script that makes links in them quick and copies text."""

from __future__ import annotations

from copy import copy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from services.queries.filters import PARAMETERS

ROOT = Path(__file__).resolve().parent.parent


class Entry(NamedTuple):
    """One page: its file in pages/, its path in the URL, and its name for people."""

    file: str
    path: str
    title: str


PAGES = (
    Entry("today", "", "Today"),
    Entry("board", "board", "Board"),
    Entry("pipelines", "pipelines", "Pipelines"),
    Entry("changes", "changes", "Changes"),
    Entry("environments", "environments", "Environments"),
    Entry("infrastructure", "infrastructure", "Infrastructure"),
    Entry("ml_runs", "ml-runs", "ML runs"),
    Entry("models", "models", "Models"),
    Entry("sources", "sources", "Sources"),
)

_SCRIPT = """
export default function (component) {
  const { setTriggerValue } = component;
  const say = (word) => {
    const live = document.getElementById("tl-live");
    if (live) live.textContent = word;
  };
  const plain = (event) =>
    event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const go = (link) => {
    const [path, query] = link.getAttribute("href").split("?");
    const parameters = Object.fromEntries(new URLSearchParams(query || ""));
    setTriggerValue("go", { path: path === "./" ? "" : path || null, parameters });
  };
  const copy = async (button) => {
    const text = button.dataset.copy || window.location.href;
    try {
      await navigator.clipboard.writeText(text);
    } catch (refused) {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "copied";
    say("copied");
    window.setTimeout(() => { button.textContent = before; }, 1500);
  };
  const onClick = (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const button = target && target.closest("[data-copy]");
    if (button) {
      event.preventDefault();
      copy(button);
      return;
    }
    const link = target && target.closest("a[data-go]");
    if (link && plain(event)) {
      event.preventDefault();
      go(link);
    }
  };
  const light = (thread) => {
    for (const lit of document.querySelectorAll(".tl-lit")) lit.classList.remove("tl-lit");
    const boards = document.querySelectorAll("[data-threads]");
    for (const board of boards) board.classList.toggle("tl-dimmed", Boolean(thread));
    if (!thread) return;
    for (const word of thread.split(" ")) {
      const cells = document.querySelectorAll(`[data-thread~="${CSS.escape(word)}"]`);
      for (const cell of cells) cell.classList.add("tl-lit");
    }
  };
  const onHover = (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const cell = target && target.closest("[data-thread]");
    light(cell ? cell.dataset.thread : "");
  };
  const onArrow = (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const from = event.target instanceof Element ? event.target.closest("[data-at]") : null;
    if (!step || !from) return;
    let [row, column] = from.dataset.at.split(",").map(Number);
    for (let tries = 0; tries < 40; tries += 1) {
      row += step[0];
      column += step[1];
      const next = document.querySelector(`[data-at="${row},${column}"]`);
      if (next) {
        event.preventDefault();
        next.focus();
        return;
      }
    }
  };
  const listeners = [["click", onClick], ["mouseover", onHover], ["focusin", onHover], ["keydown", onArrow]];
  for (const [name, listener] of listeners) document.addEventListener(name, listener);
  return () => {
    for (const [name, listener] of listeners) document.removeEventListener(name, listener);
  };
}
"""

_PATHS = {entry.path or "today": entry.path for entry in PAGES}


def path_of(view: str) -> str:
    """The URL's path of a view's page."""
    return _PATHS[view]


_followed = st.components.v2.component("throughline_links", js=_SCRIPT)


def pages() -> dict[str, StreamlitPage]:
    """Path -> page, for the pages whose file exists: each run's own, as a page knows whether it may be drawn."""
    return {path: copy(page) for path, page in _pages().items()}


@cache
def _pages() -> dict[str, StreamlitPage]:
    """Found once: looking for the files takes longer than drawing some of them."""
    return {
        entry.path: st.Page(
            ROOT / "pages" / f"{entry.file}.py",
            title=entry.title,
            url_path=entry.path or None,
            default=not entry.path,
        )
        for entry in PAGES
        if (ROOT / "pages" / f"{entry.file}.py").exists()
    }


def follow_links(known: dict[str, StreamlitPage], here: str) -> None:
    """Go where a link of ours was clicked, without loading the page anew; its parameters become the state."""
    target = _followed(key="links", on_go_change=lambda: None).go
    if not target:
        return
    path = here if target["path"] is None else target["path"]
    parameters = {
        name: str(value)
        for name, value in target["parameters"].items()
        if name in PARAMETERS and value not in (None, "")
    }
    if path in known and path != here:
        st.switch_page(known[path], query_params=parameters)
    elif path == here:
        st.query_params.from_dict(parameters)
