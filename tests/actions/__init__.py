"""The actions, on a real database with a controlled clock: what each changes, refuses and records."""
