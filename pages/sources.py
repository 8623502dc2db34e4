"""Every source and stream: fresh or not, what it costs, what it lacks and how to grant it."""

from ui import live, sources

live.block("sources", sources.show, tells_limits=True)
