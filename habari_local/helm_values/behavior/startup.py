"""Whether the hub starts with the values, and each server with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from habari_local.helm_values.behavior.finding import CONFIG, EXTRA, Finding, of_code, origin
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Exceptions whose texts have names of code in them, and no values.
SAFE: tuple[str, ...] = (
    "SyntaxError",
    "IndentationError",
    "NameError",
    "ImportError",
    "ModuleNotFoundError",
)
SAFE += ("NoSuchVariable", "NoSuchModuleError", "AttributeError", "PermissionError", "SystemExit")
# Of code that reads what only the hub's pod or image has, or that is kept from the network.
NOT_HERE = ("FileNotFoundError", "KeyError")
OF_SERVICE = re.compile(
    r"_(SERVICE_(HOST|PORT)|PORT)(_\w+)?$"
)  # which others in the namespace give
CONFINED = "where values are checked"  # of hub/habari_evaluation/confinement.py
ENDS = {
    "configuration": "the hub can't start",
    "start": "the hub can't start",
    "spawner": "no server can start",
    "pod": "no server can start",
    "limits": "the hub's configuration did not load",
    "database": "the hub can't start",
    "template": "the chart can't be rendered",
}


def starts(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub starts, and each choice of a user makes a pod."""
    traits = [each for each in evaluation.failures if each["stage"] == "traits"]
    seen = set()
    for each in traits:
        finding = _of_trait(evaluation, each)
        if finding not in seen:
            seen.add(finding)
            yield finding
    for each in evaluation.failures:
        told_already = traits and (each["error"] == "TraitError" or each.get("trait_error"))
        if each["stage"] != "traits" and not told_already:
            yield _finding(evaluation, each)


def _of_trait(evaluation: Evaluation, failed: Data) -> Finding:
    spawner = evaluation.get("spawner", "bases", default=[])
    names = [name.rpartition(".")[2] for name in (evaluation.get("spawner", "class"), *spawner)
             if name]  # fmt: skip
    kind = "hub" if failed["section"] == "JupyterHub" else "authenticator"
    kind = "spawner" if failed["section"] in names else kind
    ends = "no server can start" if kind == "spawner" else "the hub can't start"
    says = f"{failed['about']}: {ends}"
    place, where = origin(evaluation, kind, failed["trait"])
    return of_code(where, says) if where else Finding(place, says)


def _finding(evaluation: Evaluation, failed: Data) -> Finding:
    ends = ENDS.get(failed["stage"], "the hub can't start")
    reason = _reason(failed)
    choice = f" ({failed['choice']})" if failed.get("choice") else ""
    says = f"{ends}{choice}: {reason}" if reason else ends
    if failed.get("where"):
        missing = failed["error"] in NOT_HERE or str(failed["message"]).endswith(CONFINED)
        own = failed["error"] in ("ModuleNotFoundError", "NoSuchVariable")
        own = own and (_own_image(evaluation) or bool(OF_SERVICE.search(str(failed["message"]))))
        if missing or own:
            says = f"what it reads is not here ({reason}), so the rest was not judged"
        return of_code(failed["where"], says, missing or own)
    place: Place = tuple(failed.get("place") or ())
    return Finding(place or _guess(evaluation, failed), says)


def _own_image(evaluation: Evaluation) -> bool:
    """Whether the hub's image is not the chart's: it may have other packages."""
    return bool(at(evaluation.data, ("hub", "image", "name")))


def _reason(failed: Data) -> str:
    """Return an exception's name and text, in which no value is left: it could be a secret."""
    kind, text = failed["error"], str(failed["message"]).strip().partition("\n")[0]
    if kind and kind not in SAFE:
        text = QUOTED.sub("'…'", text)
    if kind == "NoSuchVariable":
        return f"the hub's pod has no variable {text}"
    if kind == "SystemExit" and text in ("0", "1", ""):
        text = "the configuration ends it"
    return ": ".join(each for each in (kind, text) if each and each != "SystemExit")


def _guess(evaluation: Evaluation, failed: Data) -> Place:
    """Return where to look for what has no line: the section that the message names, if any."""
    text = str(failed["message"])
    for section in evaluation.data.get("hub", {}).get("config", {}) or {}:
        if str(section) in text:
            return (*CONFIG, str(section))
    if failed["stage"] in ("spawner", "pod"):
        return ("singleuser",)
    return CONFIG if "extraConfig" not in text else EXTRA
