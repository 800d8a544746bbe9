"""What a starting server prints: its URLs and commands to paste. The whole text is a script for bash and zsh."""

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
# To try the three kinds of credential, paste this into another terminal with bash or zsh:

"""

PREPARE = """\
U={here} API={management} B={bootstrap} N=$RANDOM$RANDOM
until curl -sf -o /dev/null $U/healthz; do sleep 0.2; done
field() {{ python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
FIRST="$(field client_id <$B):$(field client_secret <$B)"
ADMIN=$(curl -s -u "$FIRST" -d grant_type=client_credentials -d resource=$API $U/oauth/token | field access_token)
api() {{ curl -s -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' -d "$2" $U/api/v1/$1; echo; }}

"""

NEW_OBJECTS = """\
echo 'An API with one permission, a role for people and one for machines, a user, a client that also serves the API:'
R=https://orders${{N}}.example READ=orders${{N}}:read
api resources '{{"identifier":"'${{R}}'","name":"Orders","permissions":[{{"name":"'${{READ}}'","public":true}}]}}'
api roles '{{"name":"reader'${{N}}'","type":"user","permissions":["'${{READ}}'"]}}'
api roles '{{"name":"service'${{N}}'","type":"machine","permissions":["'${{READ}}'"]}}'
PASSWORD=$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')
api users '{{"username":"alice'${{N}}'","password":"'${{PASSWORD}}'","roles":["reader'${{N}}'"]}}'
CLIENT=$(api clients '{{"name":"Orders","roles":["service'${{N}}'"],"serves":["'${{R}}'"]}}')
SERVER=$(field client_id <<<"$CLIENT"):$(field client_secret <<<"$CLIENT") ROBOT=$SERVER

echo 'A personal access token, an API key and a machine-to-machine token:'
mine() {{ curl -s -u alice${{N}}:${{PASSWORD}} -H 'Content-Type: application/json' -d "$2" $U/api/v1/me/$1; }}
PAT=$(mine personal-access-tokens '{{"name":"laptop","scopes":["'${{READ}}'"]}}' | field token)
"""

DEMO_OBJECTS = """\
echo 'Of the example organisation: the API of the stock, Alice, the warehouse robot, and the client of the API:'
R=https://stock.bookshop.example READ=stock:read
PICK='import json,sys; print(next(i[sys.argv[2]] for i in json.load(sys.stdin)["items"] if sys.argv[1] in i.values()))'
pick() {{ curl -s -H "Authorization: Bearer $ADMIN" "$U/api/v1/$1?limit=200" | python3 -c "$PICK" "$2" "$3"; }}
SOON=$(python3 -c 'from datetime import *; print((datetime.now(timezone.utc) + timedelta(minutes=5)).isoformat())')
secret() {{ api clients/$1/secrets '{{"name":"pasted'${{N}}'","expires_at":"'${{SOON}}'"}}' | field client_secret; }}
login() {{ echo "$(pick clients "$1" client_id):$(secret $(pick clients "$1" id))"; }}
SERVER=$(login 'Stock API') ROBOT=$(login 'Warehouse robot') ALICE=$(pick users alice id)

echo 'A personal access token of Alice, an API key and a token of the robot:'
TERMS='{{"name":"pasted'${{N}}'","scopes":["'${{READ}}'"],"expires_in":86400}}'
PAT=$(api users/$ALICE/personal-access-tokens "$TERMS" | field token)
"""

TRY = """\
KEY=$(api api-keys '{{"name":"website'${{N}}'","resource":"'${{R}}'"}}' | field key)
M2M=$(curl -s -u $ROBOT -d grant_type=client_credentials -d scope=$READ $U/oauth/token | field access_token)
echo $PAT; echo $KEY; echo $M2M

echo 'Introspect each, as the client that serves the API:'
introspect() {{ curl -s -u $SERVER -d token=$1 $U/oauth/introspect; echo; }}
introspect $PAT
introspect $KEY
introspect $M2M

echo 'Check each as a gateway does: 200, and the owner:'
gateway() {{ curl -si -H "Authorization: Bearer $1" "$U/oauth/forward-auth?resource=${{R}}&scope=${{READ}}"; }}
gateway $PAT | grep -iE '^(http|x-auth)'
gateway $KEY | grep -iE '^(http|x-auth)'
gateway $M2M | grep -iE '^(http|x-auth)'

echo 'Revoke the personal access token: it is inactive at once:'
curl -s -d token=$PAT $U/oauth/revoke
introspect $PAT
"""

TRY_APP = """\

echo 'An app of another maker, "Reading planner": open this address in a browser, sign in as alice, and allow it.'
APP=$(pick clients 'Reading planner' client_id)
V=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
S256='from base64 import *; from hashlib import *; import sys
print(urlsafe_b64encode(sha256(sys.argv[1].encode()).digest()).decode()[:-1])'
C="code_challenge=$(python3 -c "$S256" $V)&code_challenge_method=S256"
echo "$U/oauth/authorize?response_type=code&client_id=${{APP}}&scope=${{READ}}&${{C}}"
app() {{ curl -s -d client_id=$APP $@ $U/oauth/token; echo; }}
redeem() {{ app -d grant_type=authorization_code -d code_verifier=$V -d code=$1; }}
refresh() {{ app -d grant_type=refresh_token -d refresh_token=$1; }}
echo 'Nothing listens where the browser then goes, but its address holds the code. Within a minute: redeem CODE'
echo 'Then: introspect ACCESS_TOKEN, refresh REFRESH_TOKEN; and as alice end the app at '$U/account/apps
"""


def start_message(settings: Settings, first: bool, more: str = "", *, demo: bool = False) -> str:
    """Return the text; `first`: this start created the first credentials, `more`: further comments.

    The commands work in bash and zsh, and use the objects of the example organisation if this is a `demo`.
    """
    commands = PREPARE + (DEMO_OBJECTS + TRY + TRY_APP if demo else NEW_OBJECTS + TRY)  # no comments: zsh takes none
    return (URLS + commands).format(
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
    """Quote a path for bash and zsh, so that its bytes do not depend on the terminal's encoding."""
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
