"""`s3 bootstrap|check|rotate-key` from the command line, against the real S3 service."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from habari_local.cli import main
from habari_local.commands import s3 as commands
from habari_local.s3.iam_key import KeyFile
from tests.checkouts import work_on
from tests.unit.test_s3 import BUCKETS, S3, s3

__all__ = ["s3"]

Call = Callable[..., tuple[int, Any, str]]
ROOT_KEY = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root-secret"}


@pytest.fixture
def call(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Call `habari-local s3 …` in an empty checkout; code, data and what was told."""
    for name in (*ROOT_KEY, "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    work_on(tmp_path, monkeypatch)
    monkeypatch.setenv("HABARI_S3_ENDPOINT_URL", s3.target.endpoint_url or "")

    def calling(*arguments: str, **environ: str) -> tuple[int, Any, str]:
        with monkeypatch.context() as patch:
            patch.setattr("boto3.DEFAULT_SESSION", None)  # has read the environment of another call
            for name, value in environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main(["s3", *arguments, "--json"])
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        told = said.err.removeprefix(f"Checkout: {tmp_path}\n")
        return code, json.loads(said.out) if said.out else None, told

    return calling


def test_made_looked_at_rekeyed_and_the_old_key_retired(s3: S3, call: Call, tmp_path: Path) -> None:
    code, planned, _ = call("bootstrap", "--backend", "aws", "--plan", **ROOT_KEY)
    assert (code, len(planned["differences"])) == (0, 13)
    assert call("bootstrap", "--backend", "aws", **ROOT_KEY)[1]["differences"] == [
        each.replace("Would change", "Changed") for each in planned["differences"]
    ]
    assert call("check", **ROOT_KEY)[:2] == (0, {"good": True, "differences": []})
    assert call("rotate-key", "--retire", **ROOT_KEY)[2].startswith("S3 key: none to retire")
    _, rotated, _ = call("rotate-key", **ROOT_KEY)
    code, _, told = call("rotate-key", "--retire", **ROOT_KEY)
    assert (code, "IAM has not seen it used yet" in told) == (4, True)
    kept = KeyFile(tmp_path / ".habari" / "aws" / "habari.env").read().access
    assert kept
    s3.as_user(kept).head_bucket(Bucket=BUCKETS.lake)
    code, retired, told = call("rotate-key", "--retire", **ROOT_KEY)
    assert code == 0, told
    assert retired == {**rotated, "retired": True}
    assert call("check", **ROOT_KEY)[0] == 0


def test_each_tenant_has_a_user_and_a_file(call: Call, tmp_path: Path) -> None:
    for name in ("ham", "spam"):
        assert call("bootstrap", "--user", name, **ROOT_KEY)[0] == 0
        assert call("check", "--user", name, **ROOT_KEY)[0] == 0
    assert {path.name for path in (tmp_path / ".habari" / "aws").iterdir()} == {
        "ham.env",
        "spam.env",
    }
    code, _, told = call("check", "--user", "../ham", **ROOT_KEY)
    assert (code, told.partition("\n")[0]) == (2, "--user ../ham: not a name that IAM allows.")


def test_the_key_of_the_settings_is_not_the_administrator_s(call: Call, tmp_path: Path) -> None:
    """It goes to servers of this machine, which run what users type."""
    own = ["HABARI_S3_ACCESS_KEY_ID=root", "HABARI_S3_SECRET_ACCESS_KEY=root-secret"]
    aws = [f"{name}={value}" for name, value in ROOT_KEY.items()]
    (tmp_path / ".env").write_text("\n".join([*own, *aws]))
    code, _, told = call("check")
    assert code == 2
    assert told.startswith("Administrator's key: not in the environment")
    assert "root-secret" not in told


def test_a_profile_of_the_environment_will_do(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[boss]\naws_access_key_id = root\naws_secret_access_key = root-secret\n")
    known = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    assert call("bootstrap", AWS_PROFILE="boss", **known)[0] == 0
    code, _, told = call("check", AWS_PROFILE="nobody", **known)
    assert (code, "nobody" in told) == (1, True)


def junior(s3: S3, *actions: str) -> dict[str, str]:
    """The key of an administrator who may do just this."""
    may = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
    s3.iam.create_user(UserName="junior")
    s3.iam.put_user_policy(
        UserName="junior",
        PolicyName="may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": may}),
    )
    key = s3.iam.create_access_key(UserName="junior")["AccessKey"]
    return dict(zip(ROOT_KEY, (key["AccessKeyId"], key["SecretAccessKey"]), strict=True))


def test_denied_by_iam_half_way_it_is_told_and_a_rerun_finishes(s3: S3, call: Call) -> None:
    limited = junior(s3, "s3:*", "iam:Get*", "iam:List*", "iam:CreateUser")
    code, _, told = call("bootstrap", **limited)
    assert (code, "AccessDenied" in told) == (1, True)
    assert "this needs an administrator's key" in told
    left = call("bootstrap", "--plan", **ROOT_KEY)[1]["differences"]
    assert len(left) == 2, "buckets and user are made; policy and key are not"
    assert left[0].startswith("policy ")
    assert call("bootstrap", **ROOT_KEY)[1]["differences"] == left
    assert call("check", **ROOT_KEY)[0] == 0


def test_a_bucket_that_another_account_has_is_named(s3: S3, call: Call) -> None:
    s3.root.create_bucket(Bucket=BUCKETS.lake)
    code, _, told = call("bootstrap", **junior(s3, "iam:*"))
    assert code == 1
    assert told.startswith(f"Bucket {BUCKETS.lake}: another account's, or this key may not")


class Many:
    """A client of a folder of very many objects, computed as they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pages = 0

    def get_paginator(self, _name: str) -> Many:
        return self

    def paginate(self, **_: Any) -> Any:
        when = datetime(2026, 1, 1, tzinfo=UTC)
        for first in range(0, self.count, 1000):
            self.pages += 1
            keys = (f"many/{number:06}.csv" for number in range(first, first + 1000))
            yield {"Contents": [{"Key": key, "Size": 1, "LastModified": when} for key in keys]}


def test_a_million_objects_are_written_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    many = Many(1_000_000)
    monkeypatch.setattr(commands, "_connect", lambda: (many, BUCKETS))
    drawn = commands.ls("lake/many/").lines
    assert drawn is not None
    assert many.pages < 10
    heading, first, *_ = list(islice(drawn, 20_000))
    assert heading.split() == ["path", "bytes", "modified", "(UTC)"]
    assert first == "lake/many/000000.csv  1      2026-01-01 00:00:00"
    assert many.pages < 30, "what nobody has read is not asked for"
    told = commands.ls("lake/many/", as_json=True).lines
    assert told is not None
    tracemalloc.start()
    try:
        written = sum(len(line) for line in islice(told, 30_000))
        assert tracemalloc.get_traced_memory()[1] < written
    finally:
        tracemalloc.stop()


def test_a_long_listing_is_one_json_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_connect", lambda: (Many(20_000), BUCKETS))
    whole = "\n".join(commands.ls("lake/many/").lines or ())
    told = json.loads("\n".join(commands.ls("lake/many/", as_json=True).lines or ()))
    assert len(told) == 20_000 == whole.count("\n")
    assert told[-1]["path"] == "lake/many/019999.csv"
