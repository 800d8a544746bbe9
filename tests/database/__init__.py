"""Stores, engines and poolers, on SQLite and PostgreSQL."""
