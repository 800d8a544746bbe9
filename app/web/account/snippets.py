"""Examples of how a token is used: each reads it from an environment variable, so that none holds the secret."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext

from app.actions.insight.reach import Api
from app.texts import mark

VARIABLE = "LATCHKEY_TOKEN"
SOMEWHERE = "https://api.example"  # for an API whose identifier is not an address

CURL = 'curl --fail-with-body -H "Authorization: Bearer ${variable}" {shell}'
GIT = """git -c credential.helper='!f() {{ echo username=token; echo "password=${variable}"; }}; f' clone {shell}"""
PYTHON = """import os

import requests

headers = {{"Authorization": f"Bearer {{os.environ['{variable}']}}"}}
answer = requests.get({text}, headers=headers, timeout=10)
answer.raise_for_status()
print(answer.text)"""
NODE = """const headers = {{ Authorization: `Bearer ${{process.env.{variable}}}` }};
const answer = await fetch({text}, {{ headers }});
if (!answer.ok) throw new Error(`HTTP ${{answer.status}}`);
console.log(await answer.text());"""
GITHUB = """jobs:
  call:
    runs-on: ubuntu-latest
    steps:
      - env:
          {variable}: ${{{{ secrets.{variable} }}}}
        run: |
          {curl}"""
GITLAB = """call:
  image: curlimages/curl
  script:
    - |
      {curl}"""
TEMPLATES = (
    ("curl", "curl", "", CURL),
    ("git", "git", mark("Git sends it as the password, by a helper that keeps nothing."), GIT),
    ("python", "Python", mark("Needs the package requests."), PYTHON),
    ("node", "Node", mark("A module (.mjs), Node 18 or newer."), NODE),
    ("github", "GitHub Actions", mark("First add the token as the secret %(variable)s of the repository."), GITHUB),
    ("gitlab", "GitLab CI", mark("First add the token as the masked variable %(variable)s of the project."), GITLAB),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """An example for one tool; `note` is what it needs."""

    id: str
    label: str
    note: str
    code: str


def address_of(api: Api | None, issuer: str) -> str:
    """Return an address of an API to call: the identifier, where it is one; of our own API the user's profile."""
    if api is None or api.identifier == f"{issuer}/api/v1":
        return f"{issuer}/api/v1/me"  # each token may read it
    return api.identifier if api.identifier.startswith(("https://", "http://")) else SOMEWHERE


def write_snippets(address: str) -> Sequence[Snippet]:
    """Return the examples that call this address, quoted for each language."""
    words = {"variable": VARIABLE, "shell": shlex.quote(address), "text": json.dumps(address)}
    words["curl"] = CURL.format(**words)
    return [Snippet(key, label, _translate(note), code.format(**words)) for key, label, note, code in TEMPLATES]


def _translate(note: str) -> str:
    return str(gettext(note, variable=VARIABLE)) if note else ""
