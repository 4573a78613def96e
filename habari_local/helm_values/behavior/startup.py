"""Whether the hub starts with the values, and each server with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import (
    CONFIG,
    EXTRA,
    Finding,
    of_code,
    of_trait,
    origin,
)
from habari_local.helm_values.behavior.images import image_maps
from habari_local.helm_values.behavior.message_place import named
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, leaves, map_at

NO_TEXT = re.compile(r"^expected string or bytes-like object, got '(\w+)'")
ENVIRONMENT: Place = ("singleuser", "extraEnv")
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
    "profile": "a profile is not as it is written",
    "limits": "the hub's configuration did not load",
    "database": "the hub can't start",
    "template": "the chart can't be rendered",
}


# What ends a hub, or what it knows, each time that it starts.
ENDING = {
    "reset_db": "every start of the hub deletes its database",
    "generate_config": "the hub writes a file and ends",
    "show_config": "the hub shows its configuration and ends",
    "show_config_json": "the hub shows its configuration and ends",
    "internal_ssl": "the chart's proxy has no certificates of the hub's: nobody gets to it",
}
LISTS = re.compile(r"^(allow|admin|block)|(white|black)list")  # of who gets in


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


def unread(evaluation: Evaluation) -> Iterator[Finding]:
    """What is set is read: a trait that no class has is without effect."""
    for each in evaluation.get("unread", default=[]):
        section, trait, near = each["section"], each["trait"], each["near"]
        where = evaluation.get("origins", f"{section}.{trait}")
        meant = f", {near} was expected" if near else ""
        says = f"{section}.{trait}" if trait else section
        says += f": JupyterHub has nothing that is called so{meant}: without effect"
        restricts = bool(LISTS.search(trait))
        if where:
            yield of_code(where, says, not (near or restricts))
        else:
            place = (*CONFIG, section, trait) if trait else (*CONFIG, section)
            yield Finding(place, says, not (near or restricts))


def kept(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub stays: with the chart's configuration, and with time for servers."""
    if evaluation.get("told_nothing"):
        says = "the hub is not started with the chart's configuration: --config was expected"
        yield Finding(("hub", "args"), says)
    hub = evaluation.get("hub", default={})
    for name, says in ENDING.items():
        if hub.get(name) is True:
            yield of_trait(evaluation, "hub", name, says)
    groups = hub.get("load_groups")
    for name, its in groups.items() if isinstance(groups, dict) else ():
        if isinstance(its, dict) and not isinstance(its.get("users") or [], list):
            says = f"users of {name} are no list: each letter becomes a user"
            yield of_trait(evaluation, "hub", "load_groups", says)
    yield from _of_roles(evaluation)
    for name in ("start_timeout", "http_timeout"):
        given = evaluation.get("spawner", "traits", name)
        if isinstance(given, int) and given <= 0:
            says = "no server is given time to start"
            yield of_trait(evaluation, "spawner", name, says)
    for name in ("active_server_limit", "concurrent_spawn_limit"):
        given = hub.get(name)
        if isinstance(given, int) and given < 0:
            says = "less than nothing: nobody gets a server, 0 is for no limit"
            yield of_trait(evaluation, "hub", name, says)
    for name in ("timeout", "every", "maxAge", "concurrency"):
        given = at(evaluation.whole, ("cull", name))
        if isinstance(given, int) and given < 0:
            yield Finding(("cull", name), "less than nothing: every server is idle at once")


def _of_roles(evaluation: Evaluation) -> Iterator[Finding]:
    for role in evaluation.get("roles", default=[]):
        for kind in ("users", "groups", "services"):
            if isinstance(role, dict) and isinstance(role.get(kind), str):
                says = "text, a list was expected: each letter of it gets the role"
                place = ("hub", "loadRoles", str(role.get("name")), kind)
                there = at(evaluation.data, place) is not None
                yield Finding(place if there else ("hub", "loadRoles"), says)


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
    defined = _definition(evaluation, failed)
    if defined:
        return of_code(defined, says)
    place: Place = tuple(failed.get("place") or ())
    for where, its in image_maps(evaluation.data) if failed["stage"] == "template" else ():
        if not place and "@" in str(its.get("name")) and not its.get("tag"):
            says = f"{ends}: empty, and the chart puts a colon after the digest in name"
            return Finding((*where, "tag"), f"{says}, TAG@sha256:… was expected here")
    if failed["stage"] == "profile":
        return of_trait(evaluation, "spawner", "profile_list", says)
    return Finding(place or _guess(evaluation, failed), says)


def _own_image(evaluation: Evaluation) -> bool:
    """Whether the hub's image is not the chart's: it may have other packages."""
    return bool(at(evaluation.data, ("hub", "image", "name")))


def _reason(failed: Data) -> str:
    """Return an exception's name and text, in which no value is left: it could be a secret."""
    kind, text = failed["error"], _whole_sentence(str(failed["message"]).strip())
    if kind and kind not in SAFE:
        text = QUOTED.sub("'…'", text)
    if kind == "NoSuchVariable":
        return f"the hub's pod has no variable {text}"
    if kind == "SystemExit" and text in ("0", "1", ""):
        text = "the configuration ends it"
    return ": ".join(each for each in (kind, text) if each and each != "SystemExit")


def _definition(evaluation: Evaluation, failed: Data) -> list[Any] | None:
    """Return the key and line of extraConfig where a function begins that is called wrongly."""
    called = re.match(r"(\w+)\(\) ", str(failed["message"]))
    for key, text in map_at(evaluation.data, *EXTRA).items() if called else ():
        for number, line in enumerate(str(text).splitlines(), 1):
            if called and re.match(rf"\s*(async )?def {called[1]}\(", line):
                return [key, number]
    return None


def _whole_sentence(text: str) -> str:
    """Return a text's first line, with what a colon at its end announces."""
    first, _, rest = text.partition("\n")
    if not first.endswith(":"):
        return first
    listed = (line.strip(" -*.") for line in rest.splitlines())
    return f"{first} {', '.join(filter(None, listed))}".rstrip(": ")


def _guess(evaluation: Evaluation, failed: Data) -> Place:
    """Return where to look for what has no line: what the message names, or where it belongs."""
    text = str(failed.get("about") or failed["message"])
    of_servers = failed["stage"] in ("spawner", "pod")
    sections = ("singleuser",) if of_servers else ("hub",)
    first = named(evaluation.data, text, sections) if failed["stage"] != "template" else None
    place = named(evaluation.data, text) if first in (None, ("hub",)) else first
    kind = NO_TEXT.search(text) if of_servers else None
    if kind and place is None:
        place = next(_of_type(evaluation.data, kind[1]), None)
    if place not in (None, ("hub",)):
        return place
    if of_servers:
        return ("singleuser",)
    return CONFIG if "extraConfig" not in text else EXTRA


def _of_type(data: Data, kind: str) -> Iterator[Place]:
    """Yield the variables of servers that are no text."""
    for place, value in leaves(map_at(data, *ENVIRONMENT), ENVIRONMENT):
        if type(value).__name__ == kind:
            yield place
