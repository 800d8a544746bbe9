"""Clients that others wrote, unchanged, against a live server."""
