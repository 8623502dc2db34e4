"""Puts the parts of the story together, in the order in which they hear of each other."""

from __future__ import annotations

from emulators.world.activity import begin_activity
from emulators.world.deployments import watch_deployments
from emulators.world.engine import FOUNDED, Sim, iso
from emulators.world.team import found_team


def build(sim: Sim) -> None:
    """Set up everything that the story needs; nothing has happened yet but what is older than the history."""
    founded = sim.epoch - FOUNDED
    repos = found_team(sim, founded, iso(founded))
    sim.parts["repos"] = repos
    watch_deployments(sim)
    begin_activity(sim, repos)
