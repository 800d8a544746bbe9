"""A credential as people paste it: with the scheme of a header before it, or a line end after it."""

from __future__ import annotations

SCHEME = "bearer"


def strip_scheme(pasted: str) -> str:
    """Return the credential without the scheme and the white space that were copied with it.

    For revoking, reporting and looking up only: what leaked must end. Introspection accepts none of these forms,
    because an API must not accept what it would not accept in a header.
    """
    parts = pasted.split(None, 1)
    return parts[1].strip() if len(parts) == 2 and parts[0].lower() == SCHEME else pasted.strip()
