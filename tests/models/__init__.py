"""Names, as they are stored and compared."""
