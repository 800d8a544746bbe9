"""What a part of the fuzzing is told, and what it tells: how much it tried, and what it found."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

MOST_FINDINGS = 20  # of a part; one fault shows in many ways


@dataclass(frozen=True, slots=True)
class Task:
    """What one part shall do: for how many seconds, from which seed, in which scratch folder.

    Findings go into `keep`. `planted` lets the part believe something false, to show that it would find it.
    """

    part: str
    seconds: float
    seed: int
    scratch: Path
    keep: Path
    planted: bool = False

    def written(self) -> str:
        """Give it as one line of JSON."""
        return json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in asdict(self).items()})

    @classmethod
    def read(cls, text: str) -> Task:
        """Read what `written` gave."""
        given = json.loads(text)
        return cls(**given | {name: Path(given[name]) for name in ("scratch", "keep")})

    @property
    def outcome(self) -> Path:
        """Where the part writes what came of it."""
        return self.scratch / "outcome.json"


@dataclass(slots=True)
class Outcome:
    """What came of a task: how often it tried what, the files of its findings, and why it was not done at all."""

    tried: int = 0
    unit: str = ""
    findings: list[str] = field(default_factory=list)
    absent: str = ""

    def write(self, file: Path) -> None:
        """Keep it for the program that asked."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Outcome | None:
        """Give what a part wrote; None when it came to no end."""
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


class Notebook:
    """Counts, keeps findings apart, and knows when the time is over."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.outcome = Outcome()
        self._ends = time.monotonic() + task.seconds
        self._titles: set[str] = set()

    def begin(self) -> None:
        """Let the time run from now on: what was needed is there."""
        self._ends = time.monotonic() + self.task.seconds

    def left(self) -> float:
        """Give the seconds that are left."""
        return self._ends - time.monotonic()

    def tried(self, times: int = 1) -> None:
        """Count a try."""
        self.outcome.tried += times

    def found(self, title: str, text: str, seed: int) -> None:
        """Keep a finding in a file of its own, once for each title, with the command that finds it again."""
        if title in self._titles or len(self._titles) >= MOST_FINDINGS:
            return
        self._titles.add(title)
        self.task.keep.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.task.part}-{seed}-{title}")[:100].strip("-")
        file = self.task.keep / f"{name}.txt"
        again = f"./scripts/fuzz --only {self.task.part.partition('/')[0]} --seed {seed}"
        file.write_text(f"{title}\n\nAgain: {again}\n\n{text}\n", encoding="utf-8", errors="backslashreplace")
        self.outcome.findings.append(str(file))
