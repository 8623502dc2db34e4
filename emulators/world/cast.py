"""Puts the parts of the story together, in the order in which they hear of each other."""

from __future__ import annotations

from datetime import timedelta

from emulators.world.activity import begin_activity
from emulators.world.arcs import build_arcs
from emulators.world.canary_secrets import canaries
from emulators.world.deployments import watch_deployments
from emulators.world.effects import watch_effects
from emulators.world.engine import FOUNDED, Sim, iso
from emulators.world.hostile import build_access, build_left_open
from emulators.world.metrics import build_metrics
from emulators.world.monitoring import build_custom_jobs, build_features, build_monitoring
from emulators.world.reports import watch_tests
from emulators.world.schedules import build_crons
from emulators.world.serving import build_endpoints
from emulators.world.team import GOOGLE_PROJECTS, PROJECT_NUMBERS, found_team
from emulators.world.tf_states import build_states
from emulators.world.training import build_schedules


def build(sim: Sim) -> None:
    """Set up everything that the story needs; nothing has happened yet but what is older than the history."""
    founded = sim.epoch - FOUNDED
    repos = found_team(sim, founded, iso(founded))
    sim.parts["repos"] = repos
    sim.parts["canary"] = canaries(sim)
    sim.up.vertex.numbers = {GOOGLE_PROJECTS[name]: PROJECT_NUMBERS[name] for name in GOOGLE_PROJECTS}
    watch_deployments(sim)
    watch_effects(sim)
    watch_tests(sim)
    begin_activity(sim, repos)
    build_endpoints(sim, sim.start - timedelta(days=15))
    build_schedules(sim)
    build_features(sim)
    build_monitoring(sim)
    build_custom_jobs(sim)
    build_metrics(sim)
    build_states(sim)
    build_crons(sim)
    build_arcs(sim)
    build_left_open(sim)
    build_access(sim)
