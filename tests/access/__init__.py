"""Scopes and grants as values, and what roles give at this moment."""
