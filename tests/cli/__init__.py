"""The `latchkey` command, as its own process."""
