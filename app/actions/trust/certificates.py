"""The subject that a client's certificate must name (RFC 8705 §2.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.crypto.certificate import SUBJECT_FIELDS, is_subject
from app.errors import Invalid
from app.models.auth_methods import TLS_METHOD

LONGEST = 1000  # characters of a subject
Subject = Mapping[str, str | None]  # by the field's name


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSubject:
    """What a client's certificate must name, at most one of the five."""

    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None


def checked_subject(method: str, kept: Subject, given: Subject) -> dict[str, str] | None:
    """Give the one subject of tls_client_auth, `given` going before what was `kept`; None for any other method.

    Raises Invalid for none, two, one that cannot be looked for, and one that is given for another method.
    """
    if method != TLS_METHOD:
        if named := [field for field, value in given.items() if value is not None]:
            raise Invalid.field(named[0], f"is for token_endpoint_auth_method {TLS_METHOD} alone")
        return None
    subject = {field: value for field, value in {**kept, **given}.items() if value is not None}
    if len(subject) != 1:
        raise Invalid.field(SUBJECT_FIELDS[0], f"{TLS_METHOD} needs exactly one of {', '.join(SUBJECT_FIELDS)}")
    [(field, value)] = subject.items()
    if field not in SUBJECT_FIELDS or len(value) > LONGEST or not is_subject(field, value):
        raise Invalid.field(field, "is no name that a certificate can hold there")
    return subject
