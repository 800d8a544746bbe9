"""Run an app of another language: it prints each address that a person must open, and reads where the browser ended."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.api import Json

PATIENCE = 60  # seconds
FAILED = "failed: "  # how the apps recognise that the person came nowhere
Browse = Callable[[str], str]  # open an address of the server; return the URL at which the browser ended


def run_app(command: Sequence[str], folder: Path, wanted: Json, browse: Browse) -> Json:
    """Return what the app reports; the error shows what it wrote on stderr."""
    environment = {"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as app:  # fmt: skip
        alarm = threading.Timer(PATIENCE, app.kill)
        alarm.start()
        try:
            return _converse(app, wanted, browse)
        finally:
            alarm.cancel()
            app.kill()


def _converse(app: subprocess.Popen[str], wanted: Json, browse: Browse) -> Json:
    assert app.stdin and app.stdout and app.stderr
    print(json.dumps(wanted), file=app.stdin)
    for line in app.stdout:
        said = json.loads(line)
        if "results" in said:
            results: Json = said["results"]
            return results
        print(_end_of(browse, said["open"]), file=app.stdin)
    raise AssertionError(f"the app ended early\n{app.stderr.read()[-4000:]}")


def _end_of(browse: Browse, url: str) -> str:
    """Return where the browser ended, or in one line why it went nowhere: the app reports that as its own failure."""
    try:
        return browse(url)
    except Exception as error:
        return FAILED + " ".join(str(error).split())[:4000]
