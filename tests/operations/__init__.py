"""Health, metrics, logs, limits and what stands around every answer."""
