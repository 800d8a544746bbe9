"""The audit trail: its chain, its form, its redaction."""
