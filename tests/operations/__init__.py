"""Health, metrics, logs, and limits of threads and connections."""
