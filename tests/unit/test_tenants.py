"""Tenants as folders: what a new one gets, and what is merged over what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from habari_local.core.errors import HabariError
from habari_local.helm_values import tenants
from habari_local.helm_values.tree_diff import objects
from habari_local.helm_values.validate import validate
from habari_local.helm_values.values import merge_layers, read
from habari_local.modes.cluster.platform import allowed_users, public_url

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = {
    "host": "blue.my-team.org",
    "client-id": "Ov23li0123456789",
    "admins": "ada",
    "users": "grace,linus",
    "lake": "blue-lake",
    "notebooks": "blue-notebooks",
}


@pytest.fixture
def blue(tmp_path: Path) -> tenants.Tenant:
    """A tenant over production's values, as `tenant add` makes it."""
    made = tenants.Tenant(tmp_path, "blue")
    made.folder.mkdir(parents=True)
    YAML().dump(tenants.values(ANSWERS), made.folder / tenants.CONFIG)
    base = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
    (tmp_path / tenants.FOLDER / tenants.BASE).write_text(base, encoding="utf-8")
    return made


def test_a_new_tenant_lacks_nothing_but_what_all_share(blue: tenants.Tenant) -> None:
    problems = [each for each in validate(blue.files(), ROOT) if each.rule != "image"]
    assert {each.message.split()[2] for each in problems} == {"REGISTRY.EXAMPLE.ORG", "TAG"}


def test_a_tenants_own_values_win(blue: tenants.Tenant) -> None:
    values = merge_layers([read(path).data for path in blue.files()])
    assert public_url(values) == "https://blue.my-team.org"
    assert allowed_users(values) == ["ada", "grace", "linus"]
    text = values["singleuser"]["extraEnv"]["HABARI_CONTENTS_FOLDERS"]
    folders = json.loads(text.replace("{{", "{").replace("}}", "}"))
    assert [each["bucket"] for each in folders.values()] == ["blue-lake", "blue-notebooks"]


def test_what_is_not_answered_or_unknown_is_told() -> None:
    with pytest.raises(HabariError, match="users, lake, notebooks not given"):
        tenants.values({name: ANSWERS[name] for name in ("host", "client-id", "admins")})
    with pytest.raises(HabariError, match="image not known"):
        tenants.values({**ANSWERS, "image": "a/b:c"})


def test_every_namespace_is_guarded_and_a_tenant_may_have_its_own(blue: tenants.Tenant) -> None:
    shared = (ROOT / tenants.FOLDER / tenants.GUARDS).read_text(encoding="utf-8")
    guards = {"ResourceQuota/tenant", "LimitRange/tenant", "NetworkPolicy/tenant"}
    assert set(objects(shared)) == guards
    (blue.folder / tenants.GUARDS).write_text("kind: LimitRange\nmetadata: {name: own}\n")
    assert set(objects(blue.guards())) == {"LimitRange/own"}


def test_tenants_are_found_by_their_files(blue: tenants.Tenant) -> None:
    (blue.root / tenants.FOLDER / "empty").mkdir()
    assert tenants.names(blue.root) == ["blue"]
    with pytest.raises(HabariError, match="Tenant red: not there, one of these was expected: blue"):
        tenants.Tenant(blue.root, "red").files()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"host": "blue.my-team.org"}, "host blue.my-team.org is blue's"),
        ({"lake": "blue-lake"}, "bucket blue-lake is blue's"),
        ({"lake": "blue-notebooks"}, "bucket blue-notebooks is blue's"),
        ({}, None),
    ],
)
def test_a_host_or_bucket_of_another_tenant_is_known(
    blue: tenants.Tenant, answer: dict[str, str], said: str | None
) -> None:
    other = {"host": "red.my-team.org", "lake": "red-lake", "notebooks": "red-notebooks"}
    own = tenants.values({**ANSWERS, **other, **answer})
    assert tenants.shared_with(blue.root, "red", own) == ([said] if said else [])
