"""The subject that a client's certificate must name (RFC 8705 §2.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.crypto.certificate import SUBJECT_FIELDS, is_subject
from app.errors import Invalid
from app.models.auth_methods import TLS_METHOD

LONGEST_SUBJECT = 1000  # characters
Subject = Mapping[str, str | None]  # by the field's name


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSubject:
    """The subject that a client's certificate must have: at most one of the five."""

    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None


def checked_subject(method: str, kept: Subject, given: Subject) -> dict[str, str] | None:
    """Return the one subject of tls_client_auth, where `given` replaces the `kept` one; None for any other method.

    Raise Invalid for no subject, for two, for a malformed one, and for one that is given with another method.
    """
    if method != TLS_METHOD:
        if named := [field for field, value in given.items() if value is not None]:
            raise Invalid.field(named[0], f"is only for token_endpoint_auth_method {TLS_METHOD}")
        return None
    subject = {field: value for field, value in {**kept, **given}.items() if value is not None}
    if len(subject) != 1:
        raise Invalid.field(SUBJECT_FIELDS[0], f"{TLS_METHOD} needs exactly one of {', '.join(SUBJECT_FIELDS)}")
    [(field, value)] = subject.items()
    if field not in SUBJECT_FIELDS or len(value) > LONGEST_SUBJECT or not is_subject(field, value):
        raise Invalid.field(field, "is not a name that a certificate can have in this field")
    return subject
