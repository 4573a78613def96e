"""YAML is Go's: what is read is what helm reads, and what is written comes back as the same."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from habari_local.config.render import helm as rendered
from habari_local.core.yaml11 import BadYaml, dump, load, needs_quotes
from habari_local.helm_values import tenants
from habari_local.helm_values.init_values import fill_values
from habari_local.helm_values.values import at, parse
from habari_local.helm_values.yaml_edit import set_values
from tests.yaml_oracle import go_values

ROOT = Path(__file__).resolve().parents[2]
DIST = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
# What has another meaning without quotes to some reader of YAML, and names that GitHub gives.
NAMES = ["no", "on", "y", "N", "off", "1e5", "1-30", "0777", "0o7", "0x1f", "null", "true", "123"]
SCALARS = {
    "no": False, "on": True, "y": True, "tRUE": "tRUE", "~": None, "1e5": 100_000, "1:30": "1:30",
    "0o7": 7, "0777": 511, "08": 8, "0x1F": 31, "0b11": 3, "1_000": 1000, "1_": 1, "_1": "_1",
    ".5": 0.5, "5.": 5, ".e5": ".e5", "1e400": "1e400", "2026-01-02": "2026-01-02", "=": "=",
    "!!str 5": "5", "!foo 5": "5", "!!int '5'": 5, "!!binary aGk=": "hi", "1.0": 1, "'no'": "no",
}  # fmt: skip
TEXTS = [
    *(f"a: {each}" for each in SCALARS), *(f"{each}: a" for each in NAMES),
    "x: &x {a: 1, b: 2}\nz:\n  a: 5\n  <<: *x",
    "x: &x {a: 1}\nz:\n  <<: [*x, {a: 2, b: 3}]\n  c: 4",
    "a: {b: 1}\na: {c: 2}", "a: 1\n---\nb: 2", "a: 1\n---\n\t{", "---\n---\na: 1", "a: 1\n...\nb",
    "hub:\n\tconfig: {}", "a:\t1", "a: 1\t# x", "a: *b", "a: &a [*a]", "&a a: *a", "a: &a {<<: *a}",
    "a: .inf", "a: .nan", "~: 1", "[1]: 2", "{a: 1}: 2", "1.5: 2", "1e6: 3", "0.00001: 4", "- 1",
    "foo", "", "#", "a: @x", "a: x: y", "a: [1,2", "a: {b}", "a: [x?y]", 'a: "\\/"', "a: {a:b}",
    "a: |\n  x\n   y\n", "a: >-\n  x\n  y\n", "a:\n- 1\n- 2\n", "a:\n  - b: 1\n    c:",
    "\ufeffa: 1",
    "%YAML 1.2\n---\na: no", "%YAML 1.1\n---\na: no", "a: !!int x", "a: !!null x", "a: !!binary x",
    "a: -0o17\nb: +1\nc: 00\nd: -0\ne: 0o8", "a: 2001-12-14t21:59:43.10-05:00", "? a\n: b", "a: 'x",
    "18446744073709551615: 1", "a: 😀", "'<<': {a: 1}", "<<: {a: 1}", "<<: 1", "a: \x00",
    "a\r\nb: 1",
]  # fmt: skip
PIECES = [
    *("no", "1e5", "0777", "~", "*x", "&x ", "<<: ", "- ", ": ", "\t", "\n", "  ", "'", '"', "{"),
    *("}", "[", "]", ",", "#", "|", "> ", "!", "!!str ", "%", "@", "---\n", "...\n", "\r", "é"),
    *("? ", ".5", "-", "\\", "x: &x {a: 1}\n", "z: *x\n", "!!int ", "''", "=", "`", "!foo "),
]


def ours(text: str) -> dict[str, Any]:
    try:
        found = load(text).data
    except BadYaml as error:
        return {"error": f"{error.line}: {error.problem}"}
    if found is not None and not isinstance(found, dict):
        return {"error": "no map"}
    return {"values": found or {}}


def assert_as_go(texts: list[str]) -> None:
    differ = []
    for text, go in zip(texts, go_values(texts), strict=True):
        our = ours(text)
        if ("error" in go) != ("error" in our) or go.get("values") != our.get("values"):
            differ.append((text[-300:], go, our))
    assert not differ


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.choice([1, 1, 2, 3])):
        where = chance.randrange(len(text) + 1)
        below = chance.randrange(len(text) + 1)
        text = chance.choice(
            [
                text[:where] + chance.choice(PIECES) + text[where:],
                text[:where] + chance.choice(PIECES) + text[where:],
                text[:where] + text[where + chance.randrange(1, 12) :],
                text[:where] + text[below : below + chance.randrange(60)] + text[where:],
            ]
        )
    return text


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_helm_takes_it_for(text: str) -> None:
    found = load(f"a: {text}").data["a"]
    assert (found, type(found)) == (SCALARS[text], type(SCALARS[text]))


def test_texts_are_read_as_go_reads_them() -> None:
    assert_as_go(TEXTS)


def test_mutations_of_real_values_are_read_as_go_reads_them() -> None:
    """A character more or less: mostly no YAML any more, and for both."""
    chance = random.Random(20)
    files = ("tests/fixtures/chart/values.yaml", "kind/values.yaml", "kind/cluster.yaml")
    whole = [DIST, *((ROOT / name).read_text(encoding="utf-8") for name in files)]
    rows = [text.splitlines(keepends=True) for text in whole]
    texts = []
    for _ in range(600):
        some = chance.choice(rows)
        first = chance.randrange(len(some))
        texts.append(mutated("".join(some[first : first + 15]), chance))
    assert_as_go(texts)


def test_lines_are_those_of_what_counts() -> None:
    found = load("a:\n  b: 1\nx: &x\n  c: 1\nz:\n  <<: *x\n  d: [1,\n    2]\na: {e: 2}\n")
    assert found.lines == {
        ("a",): 9, ("a", "e"): 9, ("x",): 3, ("x", "c"): 4,
        ("z",): 5, ("z", "c"): 4, ("z", "d"): 7, ("z", "d", 0): 7, ("z", "d", 1): 8,
    }  # fmt: skip
    assert found.repeated == [(("a",), 9)]
    assert (found.ends, load("a: 1\n---\nb: 1\n---\n").ends) == (0, 2)


leaf = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.sampled_from([*NAMES, *SCALARS]),
    st.text(st.characters(codec="utf-8"), max_size=30),
)  # fmt: skip
name = st.one_of(st.sampled_from(NAMES), st.text(st.characters(codec="utf-8"), max_size=9))
tree = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(name, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(name, tree, max_size=5))
@example({each: each for each in [*NAMES, *SCALARS]})
@example({"a": "x\ny", "b": "x\n", "c": " x", "d": "", "e": "x: y", "f": "#", "g": "\u2028"})
@settings(max_examples=150, deadline=None)
def test_what_is_written_comes_back_as_the_same(data: dict[str, Any]) -> None:
    text = dump(data)
    assert load(text).data == data
    assert yaml.safe_load(text) == data, "what Python reads in the hub"


def test_what_is_written_comes_back_from_go() -> None:
    data = {each: [each, {each: each}] for each in [*NAMES, *SCALARS, "x\ny\n", "\t", "é😀", ""]}
    assert go_values([dump(data)]) == [{"values": data}]


def kind_values() -> tuple[str, list[tuple[Any, Any]]]:
    users = ("hub", "config", "GitHubOAuthenticator", "allowed_users")
    server = [
        rendered.Value(("singleuser", "extraEnv", each), each, "for a test") for each in NAMES
    ]
    values = [rendered.Value(users, list(NAMES), "for a test"), *server]
    known = [(users, NAMES), *((each.path, each.value) for each in server)]
    return rendered.as_yaml(values), known


def tenant_values() -> tuple[str, list[tuple[Any, Any]]]:
    answers = {
        "host": "a.b.org", "client-id": "1e5", "admins": "no", "users": ",".join(NAMES),
        "lake": "0777", "notebooks": "1-30",
    }  # fmt: skip
    github = ("hub", "config", "GitHubOAuthenticator")
    return dump(tenants.values(answers)), [
        ((*github, "allowed_users"), NAMES),
        ((*github, "admin_users"), ["no"]),
        ((*github, "client_id"), "1e5"),
        (("singleuser", "extraEnv", "HABARI_LAKE_BUCKET"), "0777"),
    ]


def init_values() -> tuple[str, list[tuple[Any, Any]]]:
    image = "registry.my-team.org/habari:1e5"
    answers = {
        "client-id": "0777", "admins": "on", "users": ",".join(NAMES), "lake": "0777",
        "image": image,
    }  # fmt: skip
    github = ("hub", "config", "GitHubOAuthenticator")
    return fill_values(DIST, answers), [
        ((*github, "allowed_users"), NAMES),
        ((*github, "admin_users"), ["on"]),
        ((*github, "client_id"), "0777"),
        (("singleuser", "image", "tag"), "1e5"),
        (("singleuser", "extraEnv", "HABARI_LAKE_BUCKET"), "0777"),
    ]


def edited_values() -> tuple[str, list[tuple[Any, Any]]]:
    """With what helm reads and ruamel does not, and what ruamel would write otherwise."""
    text = "a: no\nb: 0777\nc: 2026-1-2\nd: {e: y}\na: off\nf: 1_0\ng: [~, TRUE]\n---\nno: {\n"
    values: dict[Any, Any] = {("tag", each): each for each in NAMES}
    kept = {"a": False, "b": 511, "c": "2026-1-2", "d": {"e": True}, "f": 10, "g": [None, True]}
    known = [*values.items(), *(((key,), value) for key, value in kept.items())]
    made = set_values(text, "it", values)
    assert made.endswith("---\nno: {\n")
    return made, known


WRITERS = [kind_values, tenant_values, init_values, edited_values]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda each: each.__name__)
def test_every_writer_s_texts_come_back_as_they_were(writer: Any) -> None:
    text, known = writer()
    found = parse(text, "it").data
    assert [(place, at(found, place)) for place, _ in known] == known
    (go,) = go_values([text])
    assert json.dumps(go["values"], sort_keys=True) == json.dumps(found, sort_keys=True)


def test_plain_words_are_written_without_quotes() -> None:
    for each in ("ada", "octo_corp", "foo-", "a.b.org", "quay.io/a/b:1", "2G", "v1", "https://a.b"):
        assert not needs_quotes(each)
    for each in (*NAMES[:2], "1:30", "1e5", "2026-01-02", "=", "<<", "", " x", "a\nb"):
        assert needs_quotes(each), each
