"""Names, as they are kept and compared."""
