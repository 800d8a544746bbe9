"""Migrations, upward and downward."""
