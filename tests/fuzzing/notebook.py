"""The task of a part, and its outcome: how many inputs it tried, and what it found."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

MOMENT = 0.1  # seconds
MOST_FINDINGS = 20  # for each part; one defect can cause many findings


@dataclass(frozen=True, slots=True)
class Task:
    """What a part does: for how many seconds, from which seed, in which scratch folder.

    Findings are written to `keep`. `planted` adds a defect on purpose, to test that it is found.
    """

    part: str
    seconds: float
    seed: int
    scratch: Path
    keep: Path
    planted: bool = False

    def to_json(self) -> str:
        """Return the task as one line of JSON."""
        return json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in asdict(self).items()})

    @classmethod
    def read(cls, text: str) -> Task:
        """Read the JSON of `to_json`."""
        given = json.loads(text)
        return cls(**given | {name: Path(given[name]) for name in ("scratch", "keep")})

    @property
    def outcome(self) -> Path:
        """The file that the part writes its outcome to."""
        return self.scratch / "outcome.json"


@dataclass(slots=True)
class Outcome:
    """The outcome of a task: a count of `unit`, the files of its findings, and in `absent` why it could not run."""

    tried: int = 0
    unit: str = ""
    findings: list[str] = field(default_factory=list)
    absent: str = ""

    def write(self, file: Path) -> None:
        """Write the outcome for the program that started the part."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Outcome | None:
        """Read the outcome of a part; None when the part did not finish."""
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


class Notebook:
    """Counts inputs, stores findings, and measures the time that is left."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.outcome = Outcome()
        self._ends = time.monotonic() + task.seconds
        self._titles: set[str] = set()

    def begin(self) -> None:
        """Start the time, after the setup."""
        self._ends = time.monotonic() + self.task.seconds

    def seconds_left(self) -> float:
        """Return the seconds that are left: at least a moment until the first input was tried."""
        left = self._ends - time.monotonic()
        return left if self.outcome.tried else max(left, MOMENT)

    def count_tries(self, times: int = 1) -> None:
        """Count inputs that were tried."""
        self.outcome.tried += times

    def add_finding(self, title: str, text: str, seed: int) -> None:
        """Write a finding to its own file, once for each title, with the command that reproduces it."""
        if title in self._titles or len(self._titles) >= MOST_FINDINGS:
            return
        self._titles.add(title)
        self.task.keep.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.task.part}-{seed}-{title}")[:100].strip("-")
        file = self.task.keep / f"{name}.txt"
        again = f"./scripts/fuzz --only {self.task.part.partition('/')[0]} --seed {seed}"
        file.write_text(f"{title}\n\nAgain: {again}\n\n{text}\n", encoding="utf-8", errors="backslashreplace")
        self.outcome.findings.append(str(file))
