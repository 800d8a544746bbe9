"""The database: store, column types, statements, locks, engines and PostgreSQL, one subject per file."""
