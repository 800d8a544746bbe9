"""Refuse strangers, and exit with 1 if that loaded the library of SCIM. Run as a program of its own."""

import sys
from pathlib import Path
from tempfile import mkdtemp

from app.scim.routes import PREFIX
from tests.management.face import start_face

if __name__ == "__main__":
    http = start_face(Path(mkdtemp()), rate_limits="off").http
    assert http.get(f"{PREFIX}/Users").status_code == 401
    assert http.get(f"{PREFIX}/Users", headers={"Authorization": "Bearer lk_pat_x"}).status_code == 401
    sys.exit("scim2_models" in sys.modules)
