"""The last comparison, stored in the instance folder, so that everyone can read what an operator measured."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from app.comparison.report import Report, unmeasured
from app.settings.settings import Settings


def latest(settings: Settings) -> Report:
    """Return the last comparison of this server, or one without measured cells."""
    try:
        report = Report.of(json.loads(_file(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return unmeasured(settings.issuer)
    return report if report.issuer == settings.issuer else unmeasured(settings.issuer)


def keep(settings: Settings, report: Report) -> None:
    """Replace the last comparison atomically; raises OSError when the instance folder is not writable."""
    file = _file(settings)
    written = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    written.write_text(json.dumps(report.as_json()), encoding="utf-8")
    os.replace(written, file)


def _file(settings: Settings) -> Path:
    return settings.instance_dir / "comparison.json"
