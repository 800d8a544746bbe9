"""Latchkey: three kinds of credential from one server. This is the one place where its parts are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.clock import Clock, system_clock
from app.settings.settings import Settings, load_settings

if TYPE_CHECKING:
    from flask import Flask

MAX_BODY = 1024 * 1024  # bytes


def create_app(settings: Settings | None = None, clock: Clock = system_clock) -> Flask:
    """Join the parts; the database must be migrated and bootstrapped (`latchkey init`).

    Without settings they are read from the environment and instance/latchkey.toml; raises BadSettings.
    """
    # Loaded here, not above: `app` is the parent of every module, and a command needs none of the faces.
    from app import fast_lane, management, oauth, operations, web
    from app.actions.limits import storage as rate_limits
    from app.compose import join
    from app.database.store import Store
    from app.database.types import db
    from app.http import current as parts

    settings = settings or load_settings()
    app = _bare_flask(settings)
    db.init_app(app)
    with app.app_context():
        store = Store(db.engine)
    known = join(settings, store, clock, rate_limits.key_limiter(settings, store, clock))
    parts.attach(app, known)
    for room in (operations, oauth):
        room.register(app)
    management.register(app, known)
    web.register(app)
    app.wsgi_app = fast_lane.in_front_of(app.wsgi_app, known)  # type: ignore[assignment,method-assign]
    return app


def _bare_flask(settings: Settings) -> Flask:
    """Make a Flask without sessions and static files, that reads no more than MAX_BODY of a request."""
    from flask import Flask

    from app.database.engines import THREADS

    app = Flask("latchkey", static_folder=None, template_folder=None, instance_path=str(settings.instance_dir))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # a 2xx for anybody means yes to a gateway that hands the method on
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": THREADS, "pool_pre_ping": True},
    )
    app.debug = False  # FLASK_DEBUG would turn it on
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    app.url_map.merge_slashes = False  # `//oauth/token` is not found; a redirect would send the body elsewhere
    return app
