"""The programs of several nodes on one machine, for scripts/cluster. No module of app/ imports this package."""
