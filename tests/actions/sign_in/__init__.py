"""Authentication of clients and users."""
