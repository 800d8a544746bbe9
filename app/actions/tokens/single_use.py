"""Why a code is refused: an authorization code or a device code works once, for one client, until it expires."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from app.compat.sqlalchemy import CompiledSelect
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, digest
from app.models import AuthorizationCode, Client, DeviceCode


def _find(table: type[AuthorizationCode | DeviceCode]) -> CompiledSelect:
    query = select(table.used_at, table.expires_at, Client.client_id).join(Client, Client.id == table.client_id)
    return CompiledSelect(query.where(table.digest == bindparam("digest")))


_FIND = {Prefix.AUTHORIZATION_CODE: _find(AuthorizationCode), Prefix.DEVICE_CODE: _find(DeviceCode)}


def explain_code(connection: Connection, prefix: Prefix, code: str, client_id: str, at: datetime) -> Reason | None:
    """Return why a client gets nothing for a code with this prefix; None if the code is good."""
    rows = _FIND[prefix].rows(connection, digest=digest(code))
    if not rows:
        return Reason.UNKNOWN
    if rows[0].client_id != client_id:
        return Reason.WRONG_CLIENT
    if rows[0].used_at is not None:
        return Reason.USED
    return Reason.EXPIRED if rows[0].expires_at <= at else None
