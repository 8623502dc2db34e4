"""What needs somebody now, and what changed since the last standup."""

from ui import live, today

live.block("today", today.show, limit=50, tells_limits=True)
