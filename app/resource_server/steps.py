"""The steps of a decision: a generator that yields what it needs from outside, so that sync and async code share it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .document import Document

T = TypeVar("T")


@dataclass(frozen=True)
class HttpRequest:
    """A request to the authorization server: a GET, or a POST of a form as the API's client."""

    url: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpResponse:
    """An answer of the authorization server, read to its end."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = ""
    etag: str = ""


@dataclass(frozen=True)
class Refresh:
    """Fetch a document if its copy is `older_than` that many seconds; one fetch at a time, and the others wait."""

    document: Document[Any]
    older_than: float | None = None  # None: as old as the document says


Step = HttpRequest | Refresh  # what is sent back: HttpResponse, or None when there was no answer; nothing for Refresh
Steps = Generator[Step, Any, T]
