"""Delegated OAuth: consents of users, codes, grants of apps and their refresh tokens."""
