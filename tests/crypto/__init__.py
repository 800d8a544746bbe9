"""Opaque strings, signing keys, certificates: the mechanisms below the kinds."""
