"""Rate limits and their storage."""
