"""What production's pods run: images that stay the same, variables that fit, rights."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.rules.hub_settings import CODE, settings
from habari_local.helm_values.values import Data, Place, at, leaves, map_at, text_at, texts_at

SERVER: Place = ("singleuser", "image")
ENVIRONMENT: Place = ("singleuser", "extraEnv")
DIGEST = re.compile(r"@sha256:[0-9a-f]+$")
LATEST = "latest names another image tomorrow, a tag that stays was expected"
# Tags that people push again and again.
MOVING = {
    "main",
    "master",
    "develop",
    "dev",
    "edge",
    "nightly",
    "stable",
    "staging",
    "test",
    "prod",
}
# Rights of users' servers: what each trait or field must not be. 0 is root.
RIGHTS: dict[str, Any] = {
    "privileged": True,
    "allowPrivilegeEscalation": True,
    "allow_privilege_escalation": True,
    "hostNetwork": True,
    "host_network": True,
    "hostPID": True,
    "host_pid": True,
    "hostIPC": True,
    "host_ipc": True,
    "uid": 0,
    "runAsUser": 0,
    "run_as_user": 0,
}
SPAWNERS = ("KubeSpawner", "Spawner", "HabariSpawner")
CAPABILITIES = {
    "ALL",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "NET_ADMIN",
    "NET_RAW",
    "DAC_READ_SEARCH",
}
SOCKETS = re.compile(
    r"^(/|(/var)?/run/?|/etc|/proc|/sys|/var/lib/(docker|kubelet|containerd).*|.*\.sock)$"
)
UNPROTECTED = re.compile(
    r"allow_origin\s*[=:\s]\s*[\"']?\*|allow_origin_pat\s*[=:\s]\s*[\"']?\.\*"
    r"|disable_check_xsrf[\"']?\s*[=:\s]\s*[\"']?true"
    r"|(App|Provider)\.(token|password)\s*=\s*([\"']{2}|$|\s)",
    re.IGNORECASE,
)


def pinned(data: Data) -> Iterator[tuple[Place, str]]:
    """A tag that moves is another image at each start; the chart's own server is not Habari's."""
    if not (text_at(data, *SERVER, "name") or _set_in_code(data)):
        yield (*SERVER, "name"), "not set, and the chart's own image is not Habari's"
    for place, value in leaves(data):
        if place[-1] == "image" and isinstance(value, str) and value.strip():
            yield from ((place, says) for says in _reference(value.strip()))
    yield from _images(data, ())
    for each in settings(data):
        if each.place[:2] == CODE:  # those of hub.config are leaves already
            for place, value in leaves(each.value, (each.trait,)):
                image = value if place[-1] == "image" and isinstance(value, str) else ""
                if "/" in image or ":" in image:
                    yield from ((each.place, says) for says in _reference(image))


def _set_in_code(data: Data) -> bool:
    return any(
        each.trait in ("image", "profile_list", "image_spec") and each.cls in SPAWNERS
        for each in settings(data)
    )


def _images(node: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with images that are given as name and tag."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _images(each, (*place, number))
    if not isinstance(node, dict):
        return
    for key, each in node.items():
        yield from _images(each, (*place, key))
    inside = place[-1:] == ("image",) or place[:-1] == ("prePuller", "extraImages")
    if inside and {"name", "tag"} & set(node):
        yield from (((*place, part), says) for part, says in _name_and_tag(place, node))


def _name_and_tag(place: Place, image: Data) -> Iterator[tuple[str, str]]:
    name, tag = image.get("name"), image.get("tag")
    name = name.strip() if isinstance(name, str) else ""
    if DIGEST.search(name):
        if tag:
            yield "tag", "the name has a digest, nothing was expected"
        return
    if ":" in name.rpartition("/")[2]:
        yield "name", "has a tag of its own, which stands in tag"
    if tag is None or tag == "":
        if name or "tag" in image:
            own = ", and the chart's own image is not Habari's" if place == SERVER else ""
            yield "tag", f"not set{own or ', a tag that stays was expected'}"
    elif isinstance(tag, str) and _moves(tag):
        yield "tag", LATEST


def _reference(value: str) -> Iterator[str]:
    if "{" in value or DIGEST.search(value):
        return
    tag = value.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if not tag:
        yield f"no tag, which means {LATEST}"
    elif _moves(tag):
        yield LATEST


def _moves(tag: str) -> bool:
    return tag.partition("@")[0].strip().lower() == "latest" and "@sha256:" not in tag


def unlisted(data: Data) -> Iterator[tuple[Place, str]]:
    """Who may name any image runs any image, with the rights of servers."""
    for place, value in leaves(data):
        if place[-1] == "image" and "unlisted_choice" in place and "{value}" in str(value):
            choice = place[: place.index("unlisted_choice") + 1]
            on = at(data, (*choice, "enabled")) is not False
            if on and not at(data, (*choice, "validation_regex")):
                yield place, "users may run any image, a validation_regex was expected"


def moving_tags(data: Data) -> Iterator[tuple[Place, str]]:
    """A branch's name, or a number that is a version's beginning, is pushed again."""
    for place, value in leaves(data):
        tag = value
        if place[-1] == "image" and isinstance(value, str) and "@" not in value:
            tag = value.rpartition("/")[2].partition(":")[2]
        elif place[-1] != "tag" or "image" not in place:
            continue
        if isinstance(tag, int | float) or str(tag).lower() in MOVING:
            yield place, "a tag that may move, one that stays or a digest was expected"


def braces(data: Data) -> Iterator[tuple[Place, str]]:
    """KubeSpawner fills in {username} and its like; any other brace ends the start of a server."""
    if isinstance(at(data, ENVIRONMENT), list):
        yield ENVIRONMENT, "a list, of which KubeSpawner makes nothing; a map was expected"
    for place, value in leaves(at(data, ENVIRONMENT), ENVIRONMENT):
        if isinstance(value, str) and "valueFrom" not in place and not _can_be_filled_in(value):
            yield place, "braces that KubeSpawner would fill in, doubled ones were expected"


def _can_be_filled_in(value: str) -> bool:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
    except ValueError:
        return False
    return all(name.isidentifier() for name in fields)


def rights(data: Data) -> Iterator[tuple[Place, str]]:
    """Users run what they like in their servers: nothing there may be root, or the node's."""
    for place, value in _of_servers(data):
        name = place[-1]
        if name == "hostPath" or (name == "path" and "hostPath" in place[-2:]):
            if isinstance(value, str) and SOCKETS.match(value):
                yield place, "a folder or socket of the node's system, which gives its rights"
            continue
        if _is_init(place):
            continue
        if name in RIGHTS and type(value) is type(RIGHTS[name]) and value == RIGHTS[name]:
            root = "root in users' servers" if value == 0 else "the node's rights in servers"
            yield place, f"gives {root}, none of it was expected"
        elif {"capabilities", "add"} <= set(place) and value in CAPABILITIES:
            yield place, "gives rights of the node in users' servers, none was expected"


def _is_init(place: Place) -> bool:
    """Whether it is of a container that ends before the users' begins."""
    return bool({"initContainers", "init_containers"} & set(place))


def _of_servers(data: Data) -> Iterator[tuple[Place, Any]]:
    yield from leaves(map_at(data, "singleuser"), ("singleuser",))
    for each in settings(data):
        if each.cls in SPAWNERS:
            inner = leaves(each.value, each.place) if each.value is not None else ()
            for place, value in inner:
                at_trait = place == each.place and each.place[-1] != each.trait
                yield ((*place, each.trait) if at_trait else place), value


def unprotected(data: Data) -> Iterator[tuple[Place, str]]:
    """Other sites' pages must not act in users' servers."""
    for place, value in leaves(map_at(data, "singleuser"), ("singleuser",)):
        named = f"{place[-1]}: {value}" if isinstance(value, str | bool) else ""
        if UNPROTECTED.search(named) or (isinstance(value, str) and UNPROTECTED.search(value)):
            yield place, "takes a protection from users' servers"
    for place in (("singleuser", "cmd"), ("singleuser", "args")):
        words = texts_at(data, *place)
        if UNPROTECTED.search(" ".join(words)) and not any(map(UNPROTECTED.search, words)):
            yield place, "takes a protection from users' servers"


def metadata(data: Data) -> Iterator[tuple[Place, str]]:
    """The node's identity is at the metadata address: who reaches it has the node's rights."""
    rules = ("singleuser", "networkPolicy", "egressAllowRules")
    if at(data, (*rules, "cloudMetadataServer")) is True:
        yield (*rules, "cloudMetadataServer"), "gives users the node's identity, false was expected"


def network(data: Data) -> Iterator[tuple[Place, str]]:
    """Servers that reach private addresses reach each other, and the cluster's own."""
    policy: Place = ("singleuser", "networkPolicy")
    private = (*policy, "egressAllowRules", "privateIPs")
    if at(data, private) is True:
        yield private, "servers reach every private address, false was expected"
    if at(data, (*policy, "enabled")) is False:
        yield (*policy, "enabled"), "servers reach each other and the cluster, true was expected"


def debug(data: Data) -> Iterator[tuple[Place, str]]:
    """Debugging logs what users do, and with some libraries their tokens."""
    if at(data, ("debug", "enabled")) is True:
        yield ("debug", "enabled"), "logs requests in full, false was expected"
