"""Nothing that is a secret is shown: by name, by look, and ours in every form."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from habari_local.core.redaction import HIDDEN, Redaction, names_secret
from habari_local.helm_values.rules.placeholders_and_secrets import plain_secrets
from habari_local.helm_values.tree_diff import by_name, shown
from tests.unit.test_config_check import BROKEN

OURS = "s3cr3t/+=of?our_own&3f9a1c"
TOKEN = "3f9a1c7be2d84f60a5b1c9d3e7f20468"
CANARY = "c4narYc4narYc4narY"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n{CANARY}\n-----END RSA PRIVATE KEY-----"
FLAGGED = [
    *(values for rule, values in BROKEN if rule == "plain-secret"),
    "singleuser: {extraEnv: {SESSION: s3cDq8Zx0LkPv7YwBn2RtMf5HgJe9AaCu4}}",
    "hub: {extraFiles: {x: {stringData: 'password = \"s3cret99\"'}}}",
    "hub: {extraConfig: {x: 'c.X.value = \"s3cDq8Zx0LkPv7YwBn2RtMf5HgJe9AaCu4\"'}}",
]
TEXTS = {
    "database": f"postgresql://hub:{CANARY}@db/hub",
    "database, with @ in the password": f"postgresql://hub:x@{CANARY}@db/hub",
    "without a scheme": f"connecting to hub:{CANARY}@db.internal",
    "api key": f"OPENAI_API_KEY={CANARY}",
    "gh": f"GH={CANARY} GH_TOKEN={CANARY}",
    "github": f"ghp_{CANARY}",
    "age": f"AGE-SECRET-KEY-1{CANARY.upper()}",
    "pem": KEY,
    "pem in json": json.dumps({"x": KEY}),
    "pem, cut off": KEY.partition("-----END")[0],
    "pem in base64": base64.b64encode(KEY.encode()).decode(),
    "tls": f"tls.key: {CANARY}",
    "jwt": f"eyJhbGciOiJIUzI1.{CANARY}.{CANARY}",
    "aws": f"aws_secret_access_key = {CANARY}",
    "aws id": f"AKIA{CANARY.upper()}",
    "presigned": f"https://b.s3.amazonaws.com/k?X-Amz-Signature={CANARY}&x=1",
    "cookie": f"Cookie: a=1; session={CANARY}",
    "set-cookie": f"Set-Cookie: session={CANARY}; HttpOnly",
    "header": f"Authorization: token {CANARY}",
    "json": json.dumps({"client_secret": CANARY}),
    "json in json": json.dumps({"x": json.dumps({"client_secret": CANARY})}),
    "json in json in json": json.dumps(json.dumps(json.dumps({"password": CANARY}))),
    "a password with signs": f"password='p@$$ {CANARY}'",
    "yaml": f"password: {CANARY}",
    "code": f"GET /hub/oauth_callback?code={CANARY}&state={CANARY}",
    "answer": json.dumps({"code": CANARY}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_a_secret_by_its_look_or_name_is_hidden(name: str) -> None:
    clean = Redaction()(TEXTS[name])
    assert HIDDEN in clean
    assert CANARY not in clean
    assert CANARY.upper() not in clean
    assert base64.b64encode(CANARY.encode()).decode()[:12] not in clean


@pytest.mark.parametrize("secret", [OURS, TOKEN])
def test_ours_is_hidden_in_each_form(secret: str) -> None:
    data = secret.encode()
    half = len(secret) // 2
    forms = {
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        json.dumps(secret),
        json.dumps(json.dumps(secret)),
        data.hex(),
        *(base64.b64encode(b"x" * n + data + b"y" * n).decode() for n in range(4)),
        base64.urlsafe_b64encode(b"user:" + data).decode(),
        f"{secret[:half]}\n  {secret[half:]}",
        f'"{secret[:half]}" + "{secret[half:]}"',
        secret[:-4],
        secret[4:],
    }
    for form in forms:
        clean = Redaction([secret])(f"before {form} after")
        assert HIDDEN in clean, form
        left = clean.replace(HIDDEN, "")
        assert not any(part in left for part in (secret[:10], secret[-10:])), form
        assert clean.startswith("before "), form
        assert clean.endswith(" after"), form


@pytest.mark.parametrize(
    "text",
    [
        '{"state": "running", "code": 0}',
        "image habari-hub:1a2b@sha256:0123456789abcdef0123456789abcdef",
        "http://localhost:8000/user/ada@example/lab",
        "docker.io/library/python:3.13-slim",
        "2026-11-30T12:09:53 exit code: 1",
        "-----BEGIN CERTIFICATE-----",
        "Secrets: two of them are missing",
        "existing secret hub of namespace habari",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert Redaction([TOKEN])(text) == text


def test_a_long_log_is_read_in_time() -> None:
    """A line of 1 MB without spaces, and many lines."""
    clean = Redaction([OURS, TOKEN])
    text = "a1b2-" * 200_000 + f" {TOKEN}\n" + "GET /hub/api 200 (ada@127.0.0.1) 12ms\n" * 10_000
    assert TOKEN not in clean(text)


@pytest.mark.parametrize("values", FLAGGED)
def test_what_plain_secret_flags_nothing_shows(values: str) -> None:
    from habari_local.core import yaml11

    data: Any = yaml11.load(values).data
    assert list(plain_secrets(data)), values
    assert "s3c" not in json.dumps(shown((), data))
    assert "s3c" not in json.dumps(shown((), by_name(data)))


@pytest.mark.parametrize(
    "name", [*["token", "PASSWORD", "client_secret", "apiKey", "API_KEY", "GH", "tls.key"]]
)
def test_names_of_secrets(name: str) -> None:
    assert names_secret(("singleuser", "extraEnv", name))
    assert names_secret(("singleuser", "extraEnv", name, "value"))
    assert not names_secret(("singleuser", "extraEnv", name, "valueFrom", "secretKeyRef", "key"))
