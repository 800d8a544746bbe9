"""The five fields that say what the certificate of a client names (RFC 8705 §2.1.2), at most one of them given."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load

from app.actions.trust.certificates import LONGEST
from app.crypto.certificate import SUBJECT_FIELDS
from app.management.fields import Given, Text


class ShownSubject(Schema):
    """As they are shown."""

    tls_client_auth_subject_dn = fields.String(required=True, allow_none=True)
    tls_client_auth_san_dns = fields.String(required=True, allow_none=True)
    tls_client_auth_san_uri = fields.String(required=True, allow_none=True)
    tls_client_auth_san_ip = fields.String(required=True, allow_none=True)
    tls_client_auth_san_email = fields.String(required=True, allow_none=True)


class GivenSubject(Given):
    """As they are given: an action takes them together."""

    tls_client_auth_subject_dn = Text(LONGEST, allow_none=True, metadata={"description": "as RFC 4514 writes it"})
    tls_client_auth_san_dns = Text(LONGEST, allow_none=True)
    tls_client_auth_san_uri = Text(LONGEST, allow_none=True)
    tls_client_auth_san_ip = Text(LONGEST, allow_none=True)
    tls_client_auth_san_email = Text(LONGEST, allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        subject = {name: data.pop(name) for name in SUBJECT_FIELDS if name in data}
        return super()._make(data | ({"certificate_subject": subject} if subject else {}))
