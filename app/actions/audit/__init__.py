"""The audit trail: record events, chain, read, verify and redact them."""
