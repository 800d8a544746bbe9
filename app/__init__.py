"""Latchkey: three kinds of credential from one server. This is where the application is assembled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.clock import Clock, system_clock

if TYPE_CHECKING:
    from app.compose import FurtherKinds
    from app.http.application import Latchkey
    from app.operations.finished_request import TraceRequest
    from app.settings.settings import Settings

MAX_BODY = 1024 * 1024  # bytes


def create_app(
    settings: Settings | None = None,
    clock: Clock = system_clock,
    further_kinds: FurtherKinds | None = None,
    trace: TraceRequest | None = None,
) -> Latchkey:
    """Assemble the application; the database must be migrated and bootstrapped (`latchkey init`).

    Without settings they are read from the environment and instance/latchkey.toml; raise BadSettings. `trace` takes
    each request when it is answered.
    """
    # Loaded here, not above: `app` is the parent of every module, and a command needs none of the interfaces.
    from app import fast_lane, http, management, oauth, operations, scim, web
    from app.actions.limits import storage as rate_limits
    from app.compose import join
    from app.database.store import Store
    from app.database.types import db
    from app.http.client_certificate import header_name
    from app.operations.request_log import RequestLog
    from app.settings.load import load_settings
    from app.web.authorization.pages import WebAuthorizationPages

    settings = settings or load_settings()
    app = _bare_flask(settings)
    db.init_app(app)
    with app.app_context():
        store = Store(db.engine)
    limiter = rate_limits.key_limiter(settings, store, clock)
    app.actions = actions = join(settings, store, clock, limiter, further_kinds)
    app.request_log = RequestLog(trace=trace)
    http.register(app, settings, trace)
    operations.register(app, actions, app.request_log, header_name(settings))
    oauth.register(app, actions, WebAuthorizationPages(actions))
    management.register(app, actions, oauth.describe)
    scim.register(app, actions)
    web.register(app, actions)
    app.wsgi_app = fast_lane.put_lane_before(app.wsgi_app, actions, app.request_log)  # type: ignore[assignment,method-assign]
    return app


def _bare_flask(settings: Settings) -> Latchkey:
    """Return a Flask application without static files, that reads at most MAX_BODY of a request."""
    from app.database.engines import THREADS
    from app.http.application import Latchkey

    app = Latchkey("latchkey", static_folder=None, template_folder=None, instance_path=str(settings.instance_dir))
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # for a gateway that forwards the method, any 2xx means yes
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": THREADS, "pool_pre_ping": True},
    )
    app.debug = False  # FLASK_DEBUG would turn it on
    app.json.sort_keys = False  # type: ignore[attr-defined]  # an attribute of Flask's own provider
    app.url_map.merge_slashes = False  # `//oauth/token` is 404: a redirect would send the body elsewhere
    return app
