"""An API in FastAPI that accepts every kind of credential: it verifies a JWT itself, with the status list."""

from os import environ
from typing import Annotated

from fastapi import Depends, FastAPI
from latchkey_resource_server import Credential
from latchkey_resource_server.starlette import ResourceServer

app = FastAPI()
latchkey = ResourceServer(
    environ["ISSUER"], environ["RESOURCE"], environ["CLIENT_ID"], environ["CLIENT_SECRET"], verify="local"
)
latchkey.init_app(app)


@app.get("/orders")
async def list_orders(
    caller: Annotated[Credential, Depends(latchkey.require_scope("orders:read"))],
) -> dict[str, object]:
    """List the orders; an API key has no subject: it represents nobody."""
    return {"orders": ["one apple"], "holder": caller.subject}
