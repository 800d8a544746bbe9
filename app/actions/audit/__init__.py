"""The audit trail: record, chain, read, verify and redact its events."""
