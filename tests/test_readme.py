"""The documents are true: their commands run, and each setting, route, command, path and link that they name exists."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from app.cli import main
from app.settings.settings import Settings, secret_settings
from tests import fork_server
from tests.architecture.checkout import ROOT, files_in, short
from tests.conftest import StartServer
from tests.documents import CHANGELOG, DOCUMENTS, EVERYTHING, HANDBOOK, README, TEXTS, anchors, blocks, code, links
from tests.live import environment
from tests.operations.application import application, settings_in

SETTINGS = {f"LATCHKEY_{name.upper()}" for name in Settings.model_fields}
NOT_OURS = {"LATCHKEY_SERVICE_HOST"}  # what Kubernetes injects
PATH = re.compile(r"(?<![\w./-])(?:(?:app|tests|scripts|instance|\.ci)/[\w./-]*\w/?|[\w./-]+\.(?:md|toml|txt))")
AT_RUN_TIME = re.compile(r"instance/(?!README)|bootstrap\.json|latchkey\.toml")


WALK = """
import sys, httpx
from app.comparison.user_browser import UserBrowser
print(UserBrowser(httpx.Client(base_url=sys.argv[1]), "alice", sys.argv[2]).authorize(sys.argv[3], ["orders:read"]))
"""


def test_the_first_credentials_can_be_pasted(fresh_server: StartServer, tmp_path: Path) -> None:
    server = fresh_server()
    fork_server.make_command(tmp_path / ".venv" / "bin")
    first, check, app, tokens = blocks(README, "sh")
    walk = f'CODE=$({shlex.quote(sys.executable)} -c "$WALK" $URL $PASSWORD "$URL/oauth/authorize?$QUERY")\n'
    script = "set -euo pipefail\n" + "echo\n".join((first, check, app + walk, tokens))
    script = script.replace("http://127.0.0.1:8080", server.url)
    env = environment(server.instance, {"port": str(server.port)}) | {"WALK": WALK, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    introspected = [answer for answer in answers if "active" in answer]
    assert [answer.get("credential_type") for answer in introspected] == [
        "personal_access_token",
        "api_key",
        "client_credentials",
        None,
        "oauth_token",
    ]
    assert introspected[-2] == {"active": False}
    assert any("refresh_token" in answer for answer in answers)
    assert "HTTP/1.1 200 OK" in run.stdout
    assert any("issued_token_type" in answer for answer in answers)


def test_the_readme_is_short() -> None:
    assert len(TEXTS[README].splitlines()) <= 150


def test_the_handbook_has_a_row_for_every_setting() -> None:
    rows = "".join(re.findall(r"^\| `LATCHKEY_.*$", TEXTS[HANDBOOK], re.M)).replace("`…_", "`LATCHKEY_BOOTSTRAP_")
    assert {name for name in SETTINGS if f"`{name}`" not in rows} == set()


def test_every_setting_that_a_document_names_exists() -> None:
    named = {name.removesuffix("_FILE") for name in re.findall(r"\bLATCHKEY_[A-Z_]+[A-Z]\b(?!…|_…)", EVERYTHING)}
    assert named - SETTINGS - NOT_OURS == set()


def test_the_handbook_names_every_setting_that_may_be_in_a_file() -> None:
    [listed] = re.findall(r"`<setting>_file`\) for (.*?)\. A setting", TEXTS[HANDBOOK], re.S)
    first = {f"`{name.upper()}`" for name in secret_settings() if not name.startswith("bootstrap_")}
    assert set(re.findall(r"`.*?`", listed)) == first | {"`BOOTSTRAP_…`"}


def test_the_handbook_names_every_command() -> None:
    named = set(re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| `(?!/).*\|$", TEXTS[HANDBOOK], re.M))))
    assert set(main.list_commands(click.Context(main))) - named == set()


def test_every_command_that_a_document_names_exists_with_its_options() -> None:
    called = [call for line in code() for call in re.findall(r"(?<![\w/.-])latchkey ([a-z][^|#$)]*)", line)]
    assert len(called) > 40
    assert [wrong for call in called if (wrong := _wrong_in(call))] == []


def _wrong_in(call: str) -> str | None:
    """Return the call if it names a command or an option that does not exist."""
    command: click.Command = main
    for word in shlex.split(call.replace("'", "").replace("…", "")):
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return call
            command = found
        elif word.startswith("--") and word not in {"--help", *(name for one in command.params for name in one.opts)}:
            return call
    return None


def test_every_route_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(settings_in(tmp_path, monkeypatch))
    rules = {rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/boom")}
    named = set(re.findall(r"`(/[\w./-]+)`", TEXTS[HANDBOOK]))
    assert len(named) > 15
    missing = {rule for rule in rules - {"/"} if rule not in named and not _below(rule, named)}
    assert missing == set()


def _below(rule: str, named: set[str]) -> bool:
    """Whether the rule is below a path that a document names; each of the OAuth endpoints is named by itself."""
    above = [rule[:end] for end in (match.start() for match in re.finditer("/", rule)) if end]
    return any(path in named and path != "/oauth" for path in above)


def test_every_program_in_scripts_is_named() -> None:
    programs = [file.name for file in files_in("scripts", "*") if file.parent == ROOT / "scripts"]
    assert [name for name in programs if f"scripts/{name}" not in EVERYTHING and f"`{name}`" not in TEXTS[README]] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    named = {path for inline in re.findall(r"`([^`\n]+)`", TEXTS[document]) for path in PATH.findall(inline)}
    missing = {path for path in named if not AT_RUN_TIME.match(path) and not _exists(document, path)}
    assert missing == set()


def _exists(document: Path, path: str) -> bool:
    """Whether a path exists in the repository or beside the document; a module may be named without its ending."""
    bases, names = (ROOT, document.parent, ROOT / "tests"), (path, f"{path}.py")
    return any((base / name).exists() for base in bases for name in names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_shown_by_a_document() -> None:
    pictures = [file.name for file in files_in(".screenshots", "*")]
    assert [name for name in pictures if f".screenshots/{name}" not in EVERYTHING] == []


def test_the_changelog_has_one_line_a_change_and_begins_with_the_version_of_the_project() -> None:
    lines = CHANGELOG.read_text(encoding="utf-8").partition("\n## [Unreleased]\n")[2].splitlines()
    group = r"### (Added|Changed|Deprecated|Removed|Fixed|Security)"
    known = re.compile(rf"- .{{10,124}}|## \[\d+\.\d+\.\d+\] - \d{{4}}-\d\d-\d\d|{group}|")
    assert [line for line in lines if not known.fullmatch(line)] == []
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    released = [line for line in lines if line.startswith("## ")]
    assert released[0].startswith(f"## [{version}] - ")
