"""Share compiled templates among the applications of a process: to compile the templates of a page takes 30 ms."""

from types import CodeType

import flask.templating

Environment = flask.templating.Environment
_compile = Environment.compile
_kept: dict[tuple[object, ...], CodeType] = {}


def share() -> None:
    """Compile each template once in this process, for all applications with the same options and extensions."""
    Environment.compile = _shared  # type: ignore[method-assign,assignment]


def _shared(environment: Environment, source: str, name: str | None = None, filename: str | None = None) -> CodeType:
    options = environment.trim_blocks, environment.lstrip_blocks, environment.undefined, *environment.extensions
    key = (source, name, filename, *options)
    if key not in _kept:
        _kept[key] = _compile(environment, source, name, filename)
    return _kept[key]
