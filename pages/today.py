"""What needs somebody now, and what changed since the last standup."""

from ui import live, today

live.block("today", today.show, tells_limits=True)
