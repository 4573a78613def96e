"""How values differ from production's, and the reasons that an overlay's comments give."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.core.redaction import HIDDEN
from habari_local.helm_values.tree_diff import ABSENT, shown
from habari_local.helm_values.values import Values, dotted, merge_layers, merge_over_defaults, parse
from habari_local.helm_values.values_diff import Difference, OverrideComments, applied, differences

OVERLAY = """\
# What this file is. It is nobody's reason.

# Why a.
a: 1
b: "x # no comment"  # Why b,
#   of several
# lines.
c:
    # Not in c's column, so d's.
    d: 1
    e: |
      # no comment
    f: 2
  # in another column
g: {h: 1, i: 2}  # Why both.
j: [1]
k: 3
"""


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (("a",), "Why a."),
        (("b",), "Why b,"),
        (("c",), "of several lines."),
        (("c", "d"), "Not in c's column, so d's."),
        (("c", "e"), ""),
        (("c", "f"), ""),
        (("g",), "Why both."),
        (("g", "h"), "Why both."),
        (("g", "i"), "Why both."),
        (("j",), ""),
        (("k",), ""),
        (("absent",), ""),
    ],
)
def test_a_reason_is_the_comment_above_in_the_same_column_or_beside(
    place: tuple[str, ...], reason: str
) -> None:
    assert OverrideComments(parse(OVERLAY, "it"))(place) == reason


CHART: dict[str, Any] = {"services": {}, "image": {"name": "chart", "tag": "1"}, "list": [1]}


def found(production: str, *overlays: str) -> dict[str, Difference]:
    layers = [parse(text, f"{number}.yaml") for number, text in enumerate(overlays, 1)]
    result = differences(CHART, parse(production, "production.yaml"), layers)
    # Whatever is found, it is all that there is: put in, it makes the same values.
    base = parse(production, "production.yaml").data
    whole = merge_layers([base, *(each.data for each in layers)])
    assert merge_over_defaults(CHART, applied(base, result)) == merge_over_defaults(CHART, whole)
    return {dotted(each.place): each for each in result}


def test_a_value_is_told_with_both_sides_its_line_and_its_reason() -> None:
    each = found("image: {name: ours}", "image:\n  # Built here.\n  name: local\n")["image.name"]
    assert (each.production, each.local) == ("ours", "local")
    assert (each.where, each.reason) == ("1.yaml:3", "Built here.")


def test_what_says_the_same_as_production_is_no_difference() -> None:
    assert found("image: {name: ours}", "image: {name: ours, tag: '1'}\nlist: [1]\n") == {}


def test_what_production_lacks_is_one_difference_with_one_reason() -> None:
    (each,) = found("", "services:\n  # For tests.\n  suite: {token: t, admin: true}\n").values()
    assert dotted(each.place) == "services.suite"
    assert each.production is ABSENT
    assert each.reason == "For tests."


def test_without_a_reason_of_its_own_each_part_gives_its() -> None:
    parts = found("", "services:\n  suite:\n    # Why.\n    token: t\n    admin: true\n")
    assert {place: each.reason for place, each in parts.items()} == {
        "services.suite.token": "Why.",
        "services.suite.admin": "",
    }


def test_without_any_reason_the_whole_is_told_once() -> None:
    (each,) = found("", "services:\n  suite: {token: t, admin: true}\n").values()
    assert (dotted(each.place), each.reason) == ("services.suite", "")


def test_a_later_layer_cannot_hide_behind_the_reason_of_an_earlier_one() -> None:
    first = "services:\n  # Why.\n  suite: {admin: true}\n"
    parts = found("", first, "services:\n  suite:\n    token: t\n")
    assert {place: each.reason for place, each in parts.items()} == {
        "services.suite.admin": "Why.",
        "services.suite.token": "",
    }
    (again,) = found("", "# Why.\nlist: [2]\n", "list: [3]\n").values()
    assert (again.reason, again.where) == ("", "2.yaml:1")


def test_null_takes_away_and_lists_are_replaced() -> None:
    parts = found("list: [1, 2]", "image:\n  # None.\n  tag:\n# Fewer.\nlist: [2]\n")
    assert parts["image.tag"].local is ABSENT
    assert parts["image.tag"].reason == "None."
    assert (parts["list"].production, parts["list"].local) == ([1, 2], [2])


def test_true_is_not_one() -> None:
    assert list(found("list: 1", "list: true\n")) == ["list"]


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("hub", "client_secret"), "s", HIDDEN),
        (("services", "suite"), {"apiToken": "s", "b": True}, {"apiToken": HIDDEN, "b": True}),
        (("CryptKeeper", "keys"), ["s"], HIDDEN),
        (("env", "AWS_SECRET_ACCESS_KEY", "value"), "s", HIDDEN),
        (("env",), [{"name": "A_TOKEN", "value": "s"}], [{"name": "A_TOKEN", "value": HIDDEN}]),
        (("env", "AWS_SECRET_ACCESS_KEY", "valueFrom"), {"name": "s3"}, {"name": "s3"}),
        (("imagePullSecrets",), ["habari-registry"], ["habari-registry"]),
        (("token_url",), "http://github", "http://github"),
        (("client_secret",), ABSENT, ABSENT),
    ],
)  # fmt: skip
def test_secrets_are_hidden_and_nothing_else_is(
    place: tuple[str, ...], value: Any, expected: Any
) -> None:
    assert shown(place, value) == expected


def test_values_know_no_reason_of_another_file() -> None:
    other = Values("other", {"a": 2}, {("a",): 1}, "a: 2\n")
    (each,) = differences({}, parse("a: 0", "production"), [parse("# Why.\na: 1\n", "it"), other])
    assert each.reason == ""
