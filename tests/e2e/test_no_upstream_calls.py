"""Pages read the store: opening them calls no upstream, with one viewer and with twenty."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from bench.client import Viewer
from ui.navigation import PAGES


def test_one_person_opening_every_page_calls_no_upstream(demo, server, tab):
    before = demo.calls()
    assert before > 500, "the calls of the first fill were counted, so others would be too"
    opened = tab(server)
    for entry in PAGES:
        opened.open(entry.path)
    assert demo.calls() == before


def test_twenty_people_at_once_call_no_upstream(demo, server):
    async def look(entry) -> list[str]:
        async with Viewer(server, entry.path) as viewer:
            await viewer.run()
            await viewer.run()
            return viewer.exceptions

    async def all_at_once() -> list[list[str]]:
        return await asyncio.gather(*(look(PAGES[number % len(PAGES)]) for number in range(20)))

    before = demo.calls()
    with ThreadPoolExecutor(1) as aside:  # the browser's driver has a loop of its own in this thread
        assert aside.submit(asyncio.run, all_at_once()).result() == [[]] * 20
    assert demo.calls() == before
