"""The examples beside a new token: each is valid in its language, and sends the token from the environment."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.actions.insight.reach import Api
from app.web.account.snippets import SOMEWHERE, VARIABLE, address_of, write_snippets
from tests.api import Admin, unique
from tests.live import LiveServer

ISSUER = "https://issuer.example"
NASTY = "https://api.example/a'b\"c$(id)`id`;&"


def snippet(id: str, address: str = NASTY) -> str:
    (found,) = [one.code for one in write_snippets(address) if one.id == id]
    return found


def test_the_address_is_the_apis_or_the_users_profile_on_our_own() -> None:
    assert address_of(Api("https://api.example/orders", "Orders", ()), ISSUER) == "https://api.example/orders"
    assert address_of(Api(f"{ISSUER}/api/v1", "Latchkey", ()), ISSUER) == address_of(None, ISSUER)
    assert address_of(None, ISSUER) == f"{ISSUER}/api/v1/me"
    assert address_of(Api("urn:example:orders", "Orders", ()), ISSUER) == SOMEWHERE


def test_there_is_one_for_each_tool_and_none_holds_a_secret() -> None:
    made = write_snippets("https://api.example")
    assert [one.label for one in made] == ["curl", "git", "Python", "Node", "GitHub Actions", "GitLab CI"]
    assert all(VARIABLE in one.code and "lk_pat_" not in one.code for one in made)


@pytest.mark.parametrize("id", ["curl", "git"])
def test_a_command_passes_a_strange_address_as_one_word(id: str) -> None:
    shown = subprocess.run(
        ["/bin/sh", "-c", 'curl() { printf "%s\\n" "$@"; }; git() { printf "%s\\n" "$@"; }\n' + snippet(id)],
        env={VARIABLE: "the token"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert shown[-1] == NASTY
    assert id == "git" or shown[-2] == "Authorization: Bearer the token"


def test_python_is_valid_and_has_the_address_as_a_string() -> None:
    texts = [node.value for node in ast.walk(ast.parse(snippet("python"))) if isinstance(node, ast.Constant)]
    assert NASTY in texts and VARIABLE in texts


def test_the_files_of_ci_run_the_command_of_curl_in_a_block_that_yaml_takes_as_it_is() -> None:
    for id in ("github", "gitlab"):
        *before, opening, command = snippet(id).splitlines()
        assert opening.endswith("|") and command.strip() == snippet("curl"), id
        assert len(command) - len(command.lstrip()) > len(opening) - len(opening.lstrip())
        assert NASTY not in "".join(before)
    assert f"{VARIABLE}: ${{{{ secrets.{VARIABLE} }}}}" in snippet("github")


def run_curl(code: str, _: Path) -> list[str]:
    return ["/bin/sh", "-c", code.replace("curl ", "curl --silent ", 1)]


def run_python(code: str, _: Path) -> list[str]:
    return [sys.executable, "-c", code]


def run_node(code: str, folder: Path) -> list[str]:
    (folder / "call.mjs").write_text(code)
    return ["node", str(folder / "call.mjs")]


@pytest.mark.parametrize(
    ("id", "program", "command"), [("curl", "curl", run_curl), ("python", "", run_python), ("node", "node", run_node)]
)
def test_what_is_shown_works_as_it_is(
    server: LiveServer, admin: Admin, tmp_path: Path, id: str, program: str, command: Callable[[str, Path], list[str]]
) -> None:
    if program and not shutil.which(program):
        pytest.skip(f"no {program} on this machine")
    scope = unique("read")
    admin.resource(permissions=[scope])
    user = admin.user([admin.role("user", [scope])])
    code = snippet(id, address_of(None, server.url))
    answer = subprocess.run(
        command(code, tmp_path),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", VARIABLE: admin.pat(user, [scope])["token"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout)["username"] == user.username
