"""What needs somebody now, and what changed since the last standup."""
