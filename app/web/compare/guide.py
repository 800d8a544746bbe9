"""The guide of /compare: four questions that lead to a kind, with the reason and the exact commands for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT
from app.texts import mark

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; the answer yes leads to the kind of `column`, because of `because`."""

    key: str
    text: str
    column: str
    because: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The kind to use, why, and the commands for it; `preparation` makes what they need, once: an API and a role."""

    column: str
    why: str
    commands: str
    preparation: str

    @property
    def title(self) -> str:
        """Return the name of the kind."""
        return COLUMNS[self.column]

    @property
    def because(self) -> str:
        """Return the answer that led here."""
        return next((question.because for question in QUESTIONS if question.column == self.column), NEVER)


QUESTIONS = (
    Question(
        "signs_in",
        mark("Does a person sign in, at a keyboard?"),
        PASSWORD,
        mark("A person signs in, at a keyboard."),
    ),
    Question(
        "for_person",
        mark("Does a program act for one person, within what that person may do?"),
        PAT,
        mark("A program acts for one person, within what that person may do."),
    ),
    Question(
        "others",
        mark("Does an app of another maker act for many people, each of whom agrees to it?"),
        OAUTH,
        mark("An app of another maker acts for many people, each of whom agrees to it."),
    ),
    Question(
        "known",
        mark("Must the API know which program calls?"),
        M2M,
        mark("No person is behind the call, and the API must know which program it is."),
    ),
)
OTHERWISE = API_KEY
NEVER = mark("No person is behind the call, and the API need not know who calls.")
API = "latchkey resource create --identifier https://orders.example --name Orders --public orders:read\n"
CLERK = f"{API}latchkey role create --name clerk --type user --permission orders:read"
USER = f"{CLERK}\nlatchkey user create --username alice --role clerk"
APP_OPTIONS = "--grant authorization_code --grant refresh_token --redirect-uri http://127.0.0.1:9000/"
CHALLENGE = (
    "CHALLENGE=$(printf %s $VERIFIER | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d =)"
)
READ_SECRET = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"{}\"])'"  # noqa: S105 - a command
ADVICE: Mapping[str, Advice] = {
    PASSWORD: Advice(
        PASSWORD,
        mark("A password proves who the person is, and opens the whole account: keep it out of scripts."),
        "latchkey user create --username alice --role clerk\nlatchkey user set-password alice",
        CLERK,
    ),
    PAT: Advice(
        PAT,
        mark("It is that person's delegation: chosen scopes, an end, and it shrinks with their roles."),
        "PAT=$(latchkey pat create --user alice --name laptop --scope orders:read --expires-in 30d)\n"
        'curl -H "Authorization: Bearer $PAT" https://orders.example/orders',
        USER,
    ),
    OAUTH: Advice(
        OAUTH,
        mark(
            "Each user agrees on a page to what the app may do in their name, and can end it at any time. "
            "What the app carries is short-lived; its refresh token gets the next one."
        ),
        f"APP=$(latchkey client create --name Planner --auth-method none {APP_OPTIONS} --json)\n"
        f'ID=$(echo "$APP" | {READ_SECRET.format("client_id")})\n'
        f"VERIFIER=$(openssl rand -hex 32)\n{CHALLENGE}\n"
        'echo "$ISSUER/oauth/authorize?response_type=code&client_id=$ID&scope=orders:read'
        '&code_challenge=$CHALLENGE&code_challenge_method=S256"\n'
        "CODE=the-code-in-the-address-that-the-browser-ends-at\n"
        "curl -d grant_type=authorization_code -d client_id=$ID -d code=$CODE -d code_verifier=$VERIFIER "
        "$ISSUER/oauth/token",
        USER,
    ),
    M2M: Advice(
        M2M,
        mark("The client is registered and known by name; what it carries is short-lived, and can be checked locally."),
        "CLIENT=$(latchkey client create --name billing --role billing --json)\n"
        f'ID=$(echo "$CLIENT" | {READ_SECRET.format("client_id")})\n'
        f'SECRET=$(echo "$CLIENT" | {READ_SECRET.format("client_secret")})\n'
        "curl -u $ID:$SECRET -d grant_type=client_credentials $ISSUER/oauth/token",
        f"{API}latchkey role create --name billing --type machine --permission orders:read",
    ),
    API_KEY: Advice(
        API_KEY,
        mark("It opens the public part of one API to any sender, within its own rate limit, and names nobody."),
        "KEY=$(latchkey api-key create --name website --resource https://orders.example --rate-limit 100/1m)\n"
        'curl -H "X-API-Key: $KEY" https://orders.example/orders',
        API.rstrip(),
    ),
}


def advise(answers: Mapping[str, str]) -> Advice | None:
    """Return the advice for the answers ("yes" or "no" by question); None while a question is open."""
    for question in QUESTIONS:
        answer = answers.get(question.key)
        if answer == YES:
            return ADVICE[question.column]
        if answer != NO:
            return None
    return ADVICE[OTHERWISE]


def list_answers(column: str) -> dict[str, str]:
    """Return the answers that lead to a kind."""
    answers = {}
    for question in QUESTIONS:
        answers[question.key] = YES if question.column == column else NO
        if question.column == column:
            break
    return answers
