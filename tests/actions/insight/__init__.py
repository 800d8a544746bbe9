"""What operators are shown."""
