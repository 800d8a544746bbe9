"""Authenticate clients and users; browser sessions and passwords."""
