"""A data set that another checkout makes, with its own code and migrations: it may not know the tables of this one."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from tests.benchmark.databases import Database, PostgreSQL, Sqlite
from tests.benchmark.dataset import DataSet

NAME = "earlier"  # of its databases, which lie beside the ones of this checkout
PREPARE = """
import json, sys
from pathlib import Path
from tests.benchmark import databases, dataset
size, distinct, base, bench, name = json.loads(sys.argv[1])
database = databases.PostgreSQL(base) if base else databases.Sqlite()
database.name = name
dataset.prepare_data_set(size, distinct, database, Path(bench))
"""


def prepare_earlier_data_set(checkout: Path, size: int, distinct: int, database: Database, bench: Path) -> DataSet:
    """Make the checkout's data set of this size in a folder of its own; raise RuntimeError when it cannot."""
    here = hashlib.sha256(str(checkout.resolve()).encode()).hexdigest()[:12]
    folder, base = bench / NAME / here, database.base if isinstance(database, PostgreSQL) else ""
    arguments = json.dumps([size, distinct, base, str(folder), f"{NAME}-{here}"])
    python = checkout.absolute() / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", PREPARE, arguments], cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{checkout} makes no data set: {done.stderr.strip()[-300:]}")
    theirs = PostgreSQL(base) if base else Sqlite()
    name = f"{NAME}-{here}-{size}"
    return DataSet(size, name, folder / "data" / name, theirs)
