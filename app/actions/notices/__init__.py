"""Notices: deliver what is in the outbox."""
