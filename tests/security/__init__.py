"""The server under attack: garbage, stolen logs, answers that could reveal too much."""
