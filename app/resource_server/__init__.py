"""Accept all three kinds of credential in a Flask API: one decorator, one typed `current_credential`.

    latchkey = ResourceServer(issuer="https://auth.example", resource="https://orders.example",
                              client_id="…", client_secret="…")

    @app.get("/orders")
    @latchkey.require_scope("orders:read")
    def orders(): ...

This package is a distribution of its own, `latchkey-resource-server`, imported as `latchkey_resource_server`: nothing
else of Latchkey is imported here. README.md beside this file describes its settings, its caches and its limits.
"""

from .credential import Credential, Verifier
from .errors import InvalidRequest, NothingSent, ServiceUnavailable
from .flask_adapter import ResourceServer, Verification, current_credential
from .introspection_client import Introspection
from .local_verification import LocalVerification, PublishedKeys
from .proof import InvalidProof, Proofs

__all__ = [
    "Credential",
    "Introspection",
    "InvalidProof",
    "InvalidRequest",
    "LocalVerification",
    "NothingSent",
    "Proofs",
    "PublishedKeys",
    "ResourceServer",
    "ServiceUnavailable",
    "Verification",
    "Verifier",
    "current_credential",
]
