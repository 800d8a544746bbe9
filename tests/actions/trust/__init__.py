"""Other people's keys."""
