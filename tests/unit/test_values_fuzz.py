"""`config check` has a verdict, and no traceback, for whatever stands in a file of values.

Some hundred mutations of good values here; `nox -s soak` tries 10 000.
"""

from __future__ import annotations

import os
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from habari_local.core.yaml11 import load
from habari_local.helm_values.chart import open_chart
from habari_local.helm_values.init_values import fill_values
from habari_local.helm_values.rules import RULES, WARNINGS
from habari_local.helm_values.schema import violations
from habari_local.helm_values.validate import validate
from habari_local.helm_values.values import Values, leaves
from tests.values_cases import ANSWERS, DIST, ROOT, cases

TRIES = int(os.environ.get("TESTS_FUZZ_EXAMPLES", "100"))
GOOD = fill_values(DIST, ANSWERS)
DATA = load(GOOD).data
DOUBLE = open_chart(ROOT / "tests" / "fixtures" / "chart")
# Places of good values and of what public files have, and values that stood elsewhere.
PLACES = sorted(
    {place[:n] for place, _ in leaves(DATA) for n in range(1, len(place) + 1)}
    | {tuple(path.split("/")) for case in cases("public") for path in case.changes},
    key=str,
)
USED = [value for case in (*cases("values"), *cases("public")) for value in case.changes.values()]
ODD = [
    *("", " ", "{", "}", "{x", "{0}", "{a.b}", "*", "http://[", "https://x:y/", "://", "no"),
    *("ENC[AES256_GCM,", "c.X.y = (", "c.X.y.z = 1\n", "-----BEGIN PRIVATE KEY-----", "a@b:c@d"),
]
NAMES = ["name", "value", "image", "tag", "hosts", "uid", "", "a.b"]
PIECES = [
    *(": ", "- ", "\n", "  ", "\t", "'", '"', "{", "}", "[", "]", "#", "|", ">", "&x ", "*x"),
    *("<<: ", "!!str ", "---\n", "\r", "\x00", "\ufeff", "?", "%", "é", "null", "~", "1e999"),
]
FORM = settings(
    max_examples=TRIES,
    deadline=None,
    suppress_health_check=[*HealthCheck],
    derandomize=TRIES == 100,
)

value = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(ODD), st.text(st.characters(codec="utf-8"), max_size=40),
        st.sampled_from(USED),
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=6,
)  # fmt: skip
cut = st.tuples(
    st.integers(0, len(GOOD)),
    st.integers(0, 40),
    st.sampled_from([*PIECES, ""]) | st.text(max_size=5),
)


def changed(place: tuple[Any, ...], new: Any) -> dict[str, Any]:
    data: dict[str, Any] = deepcopy(DATA)
    node: Any = data
    for key, after in pairwise(place):
        inner = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, list):
            inner = node[key] if isinstance(key, int) and key < len(node) else None
        if not isinstance(inner, list if isinstance(after, int) else dict):
            inner = [None] * (after + 1) if isinstance(after, int) else {}
            node[key] = inner
        node = inner
    node[place[-1]] = new
    return data


@given(st.lists(st.tuples(st.sampled_from(PLACES), value), min_size=1, max_size=3))
@FORM
def test_no_value_breaks_a_rule_s_neck(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data = DATA
    for place, new in changes:
        try:
            data = changed(place, new) if data is DATA else {**data, **changed(place, new)}
        except (IndexError, TypeError):
            return
    for rule in (*RULES.values(), *WARNINGS.values()):
        for place, says in rule(data):
            assert place
            assert says
    violations(DOUBLE, [Values("it", data, {}, "")])


@pytest.mark.parametrize("given", [1, "text", [1, None], {"A": None}])
def test_variables_of_the_hub_may_be_anything(given: Any) -> None:
    data = changed(("hub", "extraEnv"), given)
    assert [list(rule(data)) for rule in RULES.values()]


@given(st.lists(cut, min_size=1, max_size=4))
@FORM
def test_no_text_ends_in_a_traceback(cuts: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for where, length, piece in cuts:
        text = text[:where] + piece + text[where + length :]
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"habari-fuzz-{os.getpid()}.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        for each in validate([path], ROOT):
            assert str(each)
    finally:
        path.unlink()


@pytest.mark.parametrize("text", ["", "~", "a: 1", "hub:", "hub: {config: }", "- a", "a: \ud800"])
def test_small_and_odd_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    assert validate([path], ROOT, DOUBLE)
