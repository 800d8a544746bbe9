"""The README's commands run as they stand, and it names every setting."""

import json
import os
import re
import subprocess
from pathlib import Path

from app.settings.settings import Settings, secret_settings
from tests.conftest import StartServer
from tests.live import COMMAND, environment

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)


def test_the_first_credentials_can_be_pasted(fresh_server: StartServer) -> None:
    server = fresh_server()
    script = "set -euo pipefail\n" + "echo\n".join(BLOCKS).replace("http://127.0.0.1:8080", server.url)
    env = environment(server.instance, {"port": str(server.port)}) | {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    run = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    asked = [answer for answer in answers if "active" in answer]
    assert [answer.get("credential_type") for answer in asked] == [
        "personal_access_token",
        "api_key",
        "client_credentials",
        None,
    ]
    assert asked[-1] == {"active": False}
    assert "HTTP/1.1 200 OK" in run.stdout
    assert any("issued_token_type" in answer for answer in answers)


def test_it_names_every_setting() -> None:
    named = README.replace("`…_", "`LATCHKEY_BOOTSTRAP_")
    missing = [name for name in Settings.model_fields if f"LATCHKEY_{name.upper()}" not in named]
    assert not missing


def test_it_names_every_setting_that_may_be_in_a_file() -> None:
    [listed] = re.findall(r"`<setting>_file`\) for (.*?)\. A setting", README, re.S)
    first = {f"`{name.upper()}`" for name in secret_settings() if not name.startswith("bootstrap_")}
    assert set(re.findall(r"`.*?`", listed)) == first | {"`BOOTSTRAP_…`"}
