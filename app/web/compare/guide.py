"""The guide of /compare: four questions that lead to a kind, with the exact commands for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT


@dataclass(frozen=True, slots=True)
class Question:
    """One question; the answer yes leads to the kind of `column`."""

    key: str
    text: str
    column: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The kind to use, why, and the commands for it; none for a kind that this server does not issue."""

    column: str
    why: str
    commands: str

    @property
    def title(self) -> str:
        """Return the name of the kind."""
        return COLUMNS[self.column]


QUESTIONS = (
    Question("signs_in", "Does a person sign in, at a keyboard?", PASSWORD),
    Question("for_person", "Does a program act for one person, within what that person may do?", PAT),
    Question("others", "Does an app of another maker act for many people, each of whom agrees to it?", OAUTH),
    Question("known", "Must the API know which program calls?", M2M),
)
OTHERWISE = API_KEY
ADVICE: Mapping[str, Advice] = {
    PASSWORD: Advice(
        PASSWORD,
        "A password proves who the person is, and opens the whole account: keep it out of scripts.",
        "latchkey user create --username alice --role clerk\nlatchkey user set-password alice",
    ),
    PAT: Advice(
        PAT,
        "It is that person's delegation: chosen scopes, an end, and it shrinks with their roles.",
        "PAT=$(latchkey pat create --user alice --name laptop --scope orders:read --expires-in 30d)\n"
        'curl -H "Authorization: Bearer $PAT" https://orders.example/orders',
    ),
    OAUTH: Advice(
        OAUTH,
        "Each user consents to it on a page. This server has no consent page: take an OpenID provider for such apps.",
        "",
    ),
    M2M: Advice(
        M2M,
        "The client is registered and known by name; what it carries is short-lived, and can be checked locally.",
        "latchkey client create --name billing --role billing\n"
        "curl -u $ID:$SECRET -d grant_type=client_credentials $ISSUER/oauth/token",
    ),
    API_KEY: Advice(
        API_KEY,
        "It opens the public part of one API to any sender, within its own rate limit, and names nobody.",
        "KEY=$(latchkey api-key create --name website --resource https://orders.example --rate-limit 100/1m)\n"
        'curl -H "X-API-Key: $KEY" https://orders.example/orders',
    ),
}


def advise(answers: Mapping[str, str]) -> Advice | None:
    """Return the advice for the answers ("yes" or "no" by question); None while a question is open."""
    for question in QUESTIONS:
        answer = answers.get(question.key)
        if answer == "yes":
            return ADVICE[question.column]
        if answer != "no":
            return None
    return ADVICE[OTHERWISE]
