"""/login/backchannel-logout: an identity provider ends the sessions that began there (Back-Channel Logout §2.5)."""

from __future__ import annotations

from flask import Response, jsonify, request

from app.actions.audit.actor import anonymous
from app.compose import Actions
from app.errors import LatchkeyError, SignInRefused
from app.http.request import read_request
from app.http.request_bounds import FORM
from app.web import pages
from app.web.page_routes import PageRoutes

routes = PageRoutes("provider_logout", guard=None)


@routes.post("/login/backchannel-logout/<row:provider_id>")
def end_sessions(actions: Actions, provider_id: str) -> Response:
    """End the sessions that the logout token names; no browser sends this, and no cookie is read."""
    context = read_request(request, actions.settings, actions.clock)
    provider = actions.federation.providers.find(provider_id)
    sent = request.form.getlist("logout_token") if request.mimetype == FORM else []
    if provider is None or len(sent) != 1:
        return _refuse(400, "send one logout_token to the URI of a provider that exists")
    try:
        actions.federation.logout(anonymous(context.peer, context.id), provider, sent[0])
    except SignInRefused:  # §2.8
        return _refuse(400, "the logout token is not valid, or was used before")
    except LatchkeyError as error:
        return pages.set_retry_after(_refuse(pages.status_of(error), str(error)), error)
    return Response(status=200)


def _refuse(status: int, description: str) -> Response:
    response = jsonify(error="invalid_request", error_description=description)
    response.status_code = status
    return response
