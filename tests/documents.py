"""The documents of the repository, with their code, links and anchors."""

import re
from pathlib import Path

from tests.architecture.checkout import ROOT, files

README = ROOT / "README.md"
HANDBOOK = ROOT / "instance" / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
DOCUMENTS = tuple(file for file in files() if file.suffix == ".md" and file != CHANGELOG)
TEXTS = {file: file.read_text(encoding="utf-8") for file in DOCUMENTS}
EVERYTHING = "\n".join(TEXTS.values())
CODE = re.compile(r"^```\w+\n(.*?)^```|`([^`\n]+(?:\n[^`\n]+)?)`", re.M | re.S)


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[document], re.M | re.S)


def code() -> list[str]:
    """Return each line of a fenced block and each passage between backticks, in any document."""
    found = [fenced or inline.replace("\n", " ") for fenced, inline in CODE.findall(EVERYTHING)]
    return [line.strip() for passage in found for line in passage.replace("\\\n", " ").splitlines()]


def links(document: Path) -> list[str]:
    """Return the targets of links and pictures on this host."""
    found = re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", TEXTS[document])
    return [link or picture for link, picture in found if "://" not in link]


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", TEXTS[document], re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
