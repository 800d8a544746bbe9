"""The database: store, column types, statements, locks, engines, PostgreSQL."""
