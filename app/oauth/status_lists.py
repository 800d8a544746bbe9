"""Status lists (draft-ietf-oauth-status-list): whether JWTs are still valid, without a request for each."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from app.actions.status.indexes import PATH
from app.compose import Actions
from app.crypto.status_list import DIGITS, MEDIA_TYPE
from app.oauth.cors import open_to_all

NUMBER = re.compile(rf"[0-9a-f]{{{DIGITS}}}")


def create_blueprint(actions: Actions) -> Blueprint:
    """Return the routes of the lists and of their addresses, which anybody may read (section 11.4)."""
    blueprint = Blueprint("status_lists", __name__, url_prefix=PATH)
    blueprint.after_request(open_to_all)
    fresh = f"public, max-age={actions.settings.status_list_ttl}"

    @blueprint.get("")
    def aggregation() -> Response:
        answer = jsonify({"status_lists": actions.status_lists.addresses()})
        answer.headers["Cache-Control"] = fresh
        return answer

    @blueprint.get("/<number>")
    def status_list(number: str) -> Response:
        if "time" in request.args:  # section 8.4: a time that is not supported is 404
            raise NotFound("status lists are not kept: without the parameter time, the list is as it is now")
        found = actions.status_lists.get(int(number, 16)) if NUMBER.fullmatch(number) else None
        if found is None:
            raise NotFound("there is no such status list, or all its tokens have expired")
        answer = Response(found.token, mimetype=MEDIA_TYPE, headers={"Cache-Control": fresh})
        answer.set_etag(found.etag, weak=True)  # the signatures of equal lists differ
        answer.make_conditional(request)
        return answer

    return blueprint
