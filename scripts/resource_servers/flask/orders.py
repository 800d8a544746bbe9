"""An API in Flask that accepts every kind of credential: it verifies a JWT itself, with the status list."""

from os import environ

from flask import Flask
from latchkey_resource_server.flask import ResourceServer, current_credential

app = Flask(__name__)
latchkey = ResourceServer(
    environ["ISSUER"], environ["RESOURCE"], environ["CLIENT_ID"], environ["CLIENT_SECRET"], verify="local"
)
latchkey.init_app(app)


@app.get("/orders")
@latchkey.require_scope("orders:read")
def list_orders() -> dict[str, object]:
    """List the orders; an API key has no subject: it represents nobody."""
    return {"orders": ["one apple"], "holder": current_credential.subject}
