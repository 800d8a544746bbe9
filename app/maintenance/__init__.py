"""Maintenance of a server: bootstrap, backup, doctor, demo data, secret scan, and the schedule of key rotation."""
