"""The least that Flask can do for such a request: a form in, JSON out."""

from __future__ import annotations

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the server is there."""
    return jsonify(status="ok")


@app.post("/oauth/introspect")
def introspect() -> ResponseReturnValue:
    """Read a token, and say something about it."""
    return jsonify({"active": True, "jti": request.form["token"], "scope": "orders:read orders:write"})
