"""The server under attack: garbage, stolen logs, answers that could tell too much."""
