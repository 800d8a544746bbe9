"""Draft the revision that the changed models need: `python -m app.migrations "what changed"`."""

import sys
import tempfile
from pathlib import Path

from app.migrations import run

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        scratch = f"sqlite:///{Path(folder) / 'draft.db'}"
        run.upgrade(scratch)
        run.draft(scratch, " ".join(sys.argv[1:]) or "change")
