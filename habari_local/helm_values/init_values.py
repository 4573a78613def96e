"""Filling in production's values: the questions, what an answer may be, where it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from habari_local.config.settings import BUCKET_NAME, GITHUB_NAME
from habari_local.core.errors import USAGE, HabariError
from habari_local.core.yaml11 import quoted
from habari_local.helm_values.rules.pods import SERVER
from habari_local.helm_values.values import Place
from habari_local.helm_values.yaml_edit import edit, replace_items

NAMES = rf"{GITHUB_NAME.pattern}(,{GITHUB_NAME.pattern})*"
REGION: Place = ("singleuser", "extraEnv", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Question:
    """One thing to know: how people are asked, what an answer looks like, what it replaces."""

    asks: str
    pattern: str
    like: str
    placeholder: str = ""
    many: bool = False
    place: Place = ()


QUESTIONS: Mapping[str, Question] = {
    "host": Question(
        "Host name that users open, without https://",
        r"(?=.{4,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
        "habari.my-team.org",
        "HABARI.EXAMPLE.ORG",
    ),
    "client-id": Question(
        "Client id of the GitHub OAuth app", r"[\w.-]+", "Ov23li0123456789", "GITHUB-CLIENT-ID"
    ),
    "admins": Question(
        "GitHub names of the admins, comma-separated",
        NAMES,
        "ada",
        "GITHUB-NAME-OF-AN-ADMIN",
        many=True,
    ),
    "users": Question(
        "GitHub names of the others that may sign in, comma-separated",
        NAMES,
        "grace,linus",
        "GITHUB-NAME-OF-A-USER",
        many=True,
    ),
    "image": Question(
        "Image of users' servers",
        r"[\w.-]+(:\d+)?(/[\w.-]+)+:[\w.-]+(@sha256:[0-9a-f]{64})?",
        "europe-docker.pkg.dev/my-team/habari/habari-notebook:0123456789ab",
    ),
    "lake": Question("Bucket for lake/", BUCKET_NAME, "my-team-lake", "HABARI-LAKE"),
    "notebooks": Question(
        "Bucket for notebooks/", BUCKET_NAME, "my-team-notebooks", "HABARI-NOTEBOOKS"
    ),
    "region": Question(
        "Region of the buckets", r"[a-z]+(-[a-z0-9]+)+", "eu-central-1", place=REGION
    ),
}


def check(name: str, answer: str) -> str:
    """Return the answer without spaces around it.

    Raises:
        HabariError: nobody asks that, or it is no answer to it.
    """
    question = QUESTIONS.get(name)
    again = "habari-local config init --production --answer host=habari.my-team.org"
    if question is None:
        known = ", ".join(QUESTIONS)
        raise HabariError(f"--answer {name}: unknown, expected one of {known}.", again, USAGE)
    text = re.sub(r"\s", "", answer)
    if not re.fullmatch(question.pattern, text):
        raise HabariError(
            f"--answer {name}={text}: not valid, expected something like {question.like}.",
            again,
            USAGE,
        )
    return text


def fill_values(text: str, answers: Mapping[str, str]) -> str:
    """Return config.dist.yaml with checked answers in it; what was not answered stays."""
    image, _, tag = _split(answers.get("image", ""))
    values: dict[Place, Any] = {(*SERVER, "name"): image, (*SERVER, "tag"): tag}
    values = {place: value for place, value in values.items() if value}
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, answer in answers.items():
        question = QUESTIONS[name]
        if question.place:
            values[question.place] = answer
        elif question.many:
            several[question.placeholder] = answer.split(",")
        elif question.placeholder:
            single[question.placeholder] = answer

    def change(place: Place, value: Any) -> Any:
        if isinstance(value, list):
            asked = value[0] if len(value) == 1 and isinstance(value[0], str) else ""
            if asked in several:
                replace_items(value, several[asked])
            return value
        if place in values:
            return quoted(values[place])
        if isinstance(value, str) and any(each in value for each in single):
            new = str(value)
            for placeholder, answer in single.items():
                new = new.replace(placeholder, answer)
            # Folded stays folded.
            return quoted(new) if type(value) is str else type(value)(new)
        return value

    return edit(text, "config.dist.yaml", change)


def _split(reference: str) -> tuple[str, str, str]:
    """Return name, ":" and tag, which has the digest where there is one."""
    plain, at, digest = reference.partition("@")
    name, colon, tag = plain.rpartition(":")
    return name, colon, f"{tag}{at}{digest}"
