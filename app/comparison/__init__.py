"""The kinds side by side: what is said of them, and what probes saw when they used each one for real."""
