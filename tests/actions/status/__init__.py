"""The status lists of JWTs."""
