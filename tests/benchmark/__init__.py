"""What scripts/bench is made of: a data set, servers, a load on them, and a report. Nothing of app/ imports it."""
