"""The five fields of a client's certificate subject (RFC 8705 §2.1.2), at most one of them given."""

from __future__ import annotations

from typing import Any

from marshmallow import post_load

from app.actions.trust.certificates import LONGEST_SUBJECT
from app.crypto.certificate import SUBJECT_FIELDS
from app.management.fields import RequestSchema, Text


class CertificateSchema(RequestSchema):
    """Reads the five fields together, as the `certificate_subject` of a client."""

    tls_client_auth_subject_dn = Text(
        LONGEST_SUBJECT, allow_none=True, metadata={"description": "as RFC 4514 writes it"}
    )
    tls_client_auth_san_dns = Text(LONGEST_SUBJECT, allow_none=True)
    tls_client_auth_san_uri = Text(LONGEST_SUBJECT, allow_none=True)
    tls_client_auth_san_ip = Text(LONGEST_SUBJECT, allow_none=True)
    tls_client_auth_san_email = Text(LONGEST_SUBJECT, allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        subject = {name: data.pop(name) for name in SUBJECT_FIELDS if name in data}
        return super()._make(data | ({"certificate_subject": subject} if subject else {}))
