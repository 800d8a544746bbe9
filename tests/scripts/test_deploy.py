"""The files of scripts/deploy name what exists: sources, settings, the command and the route of the health check."""

import re
from configparser import ConfigParser

from app.settings.settings import Settings
from tests.architecture.checkout import ROOT

DEPLOY = ROOT / "scripts" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "latchkey.service").read_text(encoding="utf-8")
SETTINGS = {f"LATCHKEY_{name.upper()}" for name in Settings.model_fields}


def unit() -> ConfigParser:
    """Return the unit, with the names of its keys as they are written."""
    parser = ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT)
    return parser


def test_the_container_copies_what_the_repository_has() -> None:
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M) for name in line.split()]
    assert {"pyproject.toml", "requirements.txt", "app"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_every_setting_of_both_exists() -> None:
    assert set(re.findall(r"LATCHKEY_\w+", DOCKERFILE + UNIT)) <= SETTINGS


def test_both_serve_and_neither_runs_as_root() -> None:
    assert DOCKERFILE.rstrip().endswith('CMD ["latchkey", "serve"]') and "\nUSER latchkey\n" in DOCKERFILE
    service = unit()["Service"]
    assert service["ExecStart"].endswith("/.venv/bin/latchkey serve") and service["DynamicUser"] == "yes"


def test_the_service_writes_its_instance_alone() -> None:
    service = unit()["Service"]
    assert service["Environment"] == f"LATCHKEY_INSTANCE_DIR=/var/lib/{service['StateDirectory']}"
    assert (service["ProtectSystem"], service["StateDirectoryMode"], service["UMask"]) == ("strict", "0700", "0077")
