"""What scripts/cluster is made of: the programs of several nodes on one machine. Nothing of app/ imports it."""
