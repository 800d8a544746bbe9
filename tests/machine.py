"""Programs that a machine may lack: a test that needs one is skipped with the reason, or fails with CI=true."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip the running test because this machine has no `what`; with CI=true fail it."""
    reason = f"this machine has no {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true promises one", pytrace=False)
    pytest.skip(reason)


def require_program(*names: str) -> str:
    """Return the path of the first of these programs that is installed; skip (with CI=true, fail) without one."""
    return next(filter(None, map(shutil.which, names)), None) or lacking(" or ".join(names))
