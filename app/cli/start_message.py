"""What a starting server prints: its URLs and commands to paste. The whole text is a bash script."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from app.settings.settings import Settings

URLS = """\
# Latchkey is serving at {issuer} (stop it with Ctrl-C).
#   First credentials   {bootstrap_file}{state}
#   Pages               {here}/account {here}/console
#   API documentation   {here}/api/docs
#   OAuth metadata      {here}/.well-known/oauth-authorization-server
#   Health, metrics     {here}/readyz {here}/metrics
#   Self-check          latchkey doctor
{more}#
# To try the three kinds of credential, paste this into another terminal, line by line or as a whole:

"""

COMMANDS = """\
U={here} API={management} B={bootstrap} N=$RANDOM$RANDOM
until curl -sf -o /dev/null $U/healthz; do sleep 0.2; done
field() {{ python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
FIRST="$(field client_id <$B):$(field client_secret <$B)"
ADMIN=$(curl -s -u "$FIRST" -d grant_type=client_credentials -d resource=$API $U/oauth/token | field access_token)
api() {{ curl -s -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' -d "$2" $U/api/v1/$1; echo; }}

# An API with one permission, a role for people and one for machines, a user, and a client that also serves the API
ORDERS=https://orders$N.example READ=orders$N:read
api resources '{{"identifier":"'$ORDERS'","name":"Orders","permissions":[{{"name":"'$READ'","public":true}}]}}'
api roles '{{"name":"reader'$N'","type":"user","permissions":["'$READ'"]}}'
api roles '{{"name":"service'$N'","type":"machine","permissions":["'$READ'"]}}'
PASSWORD=$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')
api users '{{"username":"alice'$N'","password":"'$PASSWORD'","roles":["reader'$N'"]}}'
CLIENT=$(api clients '{{"name":"Orders","roles":["service'$N'"],"serves":["'$ORDERS'"]}}')
ID=$(field client_id <<<"$CLIENT") SECRET=$(field client_secret <<<"$CLIENT")

# Issue a personal access token, an API key and a machine-to-machine token
mine() {{ curl -s -u alice$N:$PASSWORD -H 'Content-Type: application/json' -d "$2" $U/api/v1/me/$1; }}
PAT=$(mine personal-access-tokens '{{"name":"laptop","scopes":["'$READ'"]}}' | field token)
KEY=$(api api-keys '{{"name":"website","resource":"'$ORDERS'"}}' | field key)
M2M=$(curl -s -u $ID:$SECRET -d grant_type=client_credentials $U/oauth/token | field access_token)

# Introspect each, as the client that serves the API
introspect() {{ curl -s -u $ID:$SECRET -d token=$1 $U/oauth/introspect; echo; }}
introspect $PAT
introspect $KEY
introspect $M2M

# Check each as a gateway does: 200, and the owner
gateway() {{ curl -si -H "Authorization: Bearer $1" "$U/oauth/forward-auth?resource=$ORDERS&scope=$READ"; }}
gateway $PAT | grep -iE '^(http|x-auth)'
gateway $KEY | grep -iE '^(http|x-auth)'
gateway $M2M | grep -iE '^(http|x-auth)'

# Revoke the personal access token: it is inactive at once
curl -s -d token=$PAT $U/oauth/revoke
introspect $PAT
"""


def start_message(settings: Settings, first: bool, more: str = "") -> str:
    """Return the text; `first`: this start created the first credentials, `more`: further comments."""
    return (URLS + COMMANDS).format(
        more=more,
        issuer=settings.issuer,
        here=local_url(settings),
        management=shlex.quote(settings.management_identifier),
        bootstrap=_quote(settings.bootstrap_file),
        bootstrap_file=settings.bootstrap_file,
        state=_describe_file(settings, first),
    )


def _describe_file(settings: Settings, first: bool) -> str:
    if os.path.exists(settings.bootstrap_file):  # Path.exists raises for a folder without access
        return " (just created)" if first else ""
    if settings.fixes_first_credentials:
        return " (absent: LATCHKEY_BOOTSTRAP_… sets them)"
    return " (deleted: use the credentials that you kept from it)"


def _quote(path: Path) -> str:
    """Quote a path for bash, so that its bytes do not depend on the terminal's encoding."""
    text = str(path)
    if text.isascii() and text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + "'"


def start_summary(settings: Settings) -> dict[str, str]:
    """Return the URLs as JSON members, without the commands."""
    return {
        "issuer": settings.issuer,
        "url": local_url(settings),
        "bootstrap_file": str(settings.bootstrap_file),
        "documentation": f"{local_url(settings)}/api/docs",
    }


def local_url(settings: Settings) -> str:
    """Return the URL of the server for this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}"
