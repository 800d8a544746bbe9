"""`latchkey` with another number of threads than its default: serve.py THREADS serve …"""

from __future__ import annotations

import sys

from app.database import engines

if __name__ == "__main__":
    engines.THREADS = int(sys.argv.pop(1))
    from app.cli import main

    main()
