"""A comparison of the kinds of credential: stated properties, and properties that probes measured on this server."""
