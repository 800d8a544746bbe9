"""The `latchkey` command: parses and prints. A secret is alone on stdout; notes for a person go to stderr."""

from __future__ import annotations

from app.cli.command import latchkey

main = latchkey

__all__ = ["main"]
