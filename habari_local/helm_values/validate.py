"""What is wrong with production's values: by the chart, by our rules, by the locks; all at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from habari_local.helm_values import behavior
from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.evaluate import Evaluation, Evaluator, NotEvaluated
from habari_local.helm_values.rules import RULES, WARNINGS
from habari_local.helm_values.rules.placeholders_and_secrets import allowed_in
from habari_local.helm_values.schema import emptied, read_all, violations
from habari_local.helm_values.values import (
    Data,
    Place,
    Values,
    Violation,
    at,
    dotted,
    merge_layers,
    violation_at,
)

# Whose JupyterHub must be of the minor version that the chart's hub has.
LOCKS = ("jupyter/requirements.txt", "hub/requirements-docker.txt")
SOPS = "sops"  # what an encrypted file says of its keys; no value of the chart
# Rules of words that the hub's start answers, where it was tried.
STARTED = ("extra-config", "braces")
# Rules that are broken where nothing would run, whatever it is for.
RUNS = ("start", "objects")
# Rules of words that what was loaded and rendered answers, whatever it answers.
JUDGED = ("callback", "tls", "client-secret")
BLOCK = re.compile(r":\s*[|>][-+0-9]*\s*(#.*)?$")  # the line above a text of several


def validate(
    files: Sequence[Path],
    root: Path,
    chart: Chart | None = None,
    shown_from: Path | None = None,
    evaluator: Evaluator | None = None,
) -> list[Violation]:
    """Return everything that is wrong with `files`, later ones merged over earlier ones.

    Args:
        files: of values; one that can't be read is told, and the rest is not looked at.
        root: of the checkout, for its locks.
        chart: that the values are for; None: what only it knows is not looked at.
        shown_from: the folder from which paths are told.
        evaluator: that renders and loads them; None: what only that shows is not looked at.
    """
    layers, found = read_all(files, shown_from)
    if found:
        return found
    layers = [_without_sops(each) for each in layers]
    data = merge_layers([each.data for each in layers])
    evaluation = evaluator.evaluate(layers) if evaluator else None
    shown = [*_behavior(layers, evaluation)] if evaluation else []
    replaced = {each.rule for each in shown}
    replaced |= set(JUDGED) if evaluation and evaluation.get("authenticator", "traits") else set()
    found = [*_unread(layers), *shown, *_broken(layers, data, replaced)]
    if chart:
        found += [*violations(chart, layers), *versions(chart, root)]
        found += emptied(chart, layers) if not evaluation else ()
    order = {each.name: number for number, each in enumerate(layers)}
    return sorted(set(found), key=lambda p: (order.get(p.file, len(order)), p.line, str(p)))


def unable(
    files: Sequence[Path],
    left_out: Collection[Place],
    shown_from: Path,
    evaluator: Evaluator,
) -> list[Violation]:
    """Return what keeps the hub or a server from starting with `files`, later ones win.

    Args:
        files: of values, each of which can be read.
        left_out: the places of what can't be loaded but where it will run.
        shown_from: the folder from which paths are told.
        evaluator: that renders and loads them.

    Raises:
        NotEvaluated: they did not load in time, as on a machine with too much to do.
    """
    layers, found = read_all(files, shown_from)
    layers = [
        replace(each, data=_without(each.data, left_out)) for each in map(_without_sops, layers)
    ]
    evaluation = evaluator.evaluate(layers)
    slow = [each["message"] for each in evaluation.failures if each["stage"] == "limits"]
    if slow:
        raise NotEvaluated(f"The hub's configuration: {slow[0]}.", "habari-local config check")
    rules = {name: behavior.RULES[name] for name in RUNS}
    return [*found, *(each for each in _behavior(layers, evaluation, rules) if not each.warning)]


def versions(chart: Chart, root: Path) -> Iterator[Violation]:
    """Yield locks whose JupyterHub is of another minor version than the chart's."""
    wanted = _minor(chart.app_version)
    for name in LOCKS if wanted else ():
        path = root / name
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            found = re.match(r"jupyterhub==(\S+)", line)
            if found and _minor(found[1]) != wanted:
                says = f"{found[1]}, {wanted} of chart {chart.title} was expected"
                yield Violation(name, number, "jupyterhub", says, "jupyterhub")


def _unread(layers: Sequence[Values]) -> Iterator[Violation]:
    """Yield what stands in a file and Helm does not use."""
    for each in layers:
        for place, line in each.repeated:
            says = "stands here a second time, and only this one counts"
            yield Violation(each.name, line, dotted(place), says, "repeated", warning=True)
        if each.ends:
            says = "another document begins, which helm does not read"
            yield Violation(each.name, each.ends, "", says, "documents", warning=True)


def _broken(layers: Sequence[Values], data: Data, shown: set[str]) -> Iterator[Violation]:
    """Yield what rules of words find, but for those that behavior has shown to be broken."""
    replaced = shown | (set(STARTED) if "start" in shown else set())
    for rules, warning in ((RULES, False), (WARNINGS, True)):
        for name, rule in rules.items():
            for place, says in rule(data) if name not in replaced else ():
                found = violation_at(layers, place, says, name, warning=warning)
                if name != "plain-secret" or not _allowed(layers, found):
                    yield found


def _allowed(layers: Sequence[Values], found: Violation) -> bool:
    """Whether a comment beside a secret says that it is none."""
    texts = [each.text for each in layers if each.name == found.file]
    return any(allowed_in(text, found.line) for text in texts)


def _behavior(
    layers: Sequence[Values],
    evaluation: Evaluation,
    rules: Mapping[str, behavior.Rule] = behavior.RULES,
) -> Iterator[Violation]:
    for name, rule in rules.items():
        for finding in rule(evaluation):
            yield _located(layers, finding, name)


def _located(layers: Sequence[Values], finding: Finding, rule: str) -> Violation:
    """Return what was found with its line in the file; of code, with the line of the code."""
    says = f"line {finding.line}: {finding.says}" if finding.line else finding.says
    found = violation_at(layers, finding.place, says, rule, warning=finding.warning)
    for layer in layers:
        if layer.name == found.file and at(layer.data, finding.place) and found.line:
            head = layer.text.splitlines()[found.line - 1]
            if finding.line and BLOCK.search(head):
                return replace(found, line=found.line + finding.line)
    return found


def _without_sops(values: Values) -> Values:
    data = {key: value for key, value in values.data.items() if key != SOPS}
    return replace(values, data=data)


def _without(data: Data, places: Collection[Place]) -> Data:
    """Return values without what stands at these places."""
    inner = {name: [each[1:] for each in places if each[:1] == (name,)] for name in data}
    return {
        name: _without(value, inner[name]) if isinstance(value, dict) else value
        for name, value in data.items()
        if () not in inner[name]
    }


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2]) if version[:1].isdigit() else ""
