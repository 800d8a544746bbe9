"""Psycopg's private name (bound to psycopg 3.3): the error of a wait that timed out.

`Connection.wait` is documented, and so is its `timeout`; the error that it raises then has no public name.
"""

from __future__ import annotations

from psycopg.errors import _WaitTimeout

WaitTimeout = _WaitTimeout
