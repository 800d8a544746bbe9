"""The `latchkey` command: parses and prints. A secret stands alone on stdout; words to a person go to stderr."""

from __future__ import annotations

from app.cli.command import latchkey

main = latchkey

__all__ = ["main"]
