"""A bare Flask route: it reads a form and returns JSON."""

from __future__ import annotations

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Return that the server is ready."""
    return jsonify(status="ok")


@app.post("/oauth/introspect")
def introspect() -> ResponseReturnValue:
    """Read a token, and return the same answer for each."""
    return jsonify({"active": True, "jti": request.form["token"], "scope": "orders:read orders:write"})
