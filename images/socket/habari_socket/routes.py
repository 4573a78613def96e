"""Which requests the hub may make of the engine, and what of each is sent on: nothing as it came.

Path, parameters and body are taken apart and written anew; containers and networks are named by the
id that the engine has for what was checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from habari_socket import names
from habari_socket.fields import Json, read_object
from habari_socket.policy import Policy
from habari_socket.refusals import Malformed, Refused

REFERENCE = "[A-Za-z0-9][A-Za-z0-9_.-]*"
CONTAINER = re.compile(f"/containers/({REFERENCE})(?:/(json|logs|start|stop))?")
NETWORK = re.compile(f"/networks/({REFERENCE})(?:/(connect|disconnect))?")
METHODS = {"json": "GET", "logs": "GET", "start": "POST", "stop": "POST", "": "DELETE"}
FLAG = {"1": "1", "true": "1", "True": "1", "0": "0", "false": "0", "False": "0", "": "0"}
# Parameter → what it may be: a flag, a flag that may not be set, a number, a number or all.
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "logs": {
        "stdout": "flag",
        "stderr": "flag",
        "timestamps": "flag",
        "follow": "off",
        "tail": "number or all",
    },
    "stop": {"t": "number"},
    "": {"v": "flag", "force": "flag", "link": "off"},
}
_NUMBERS = {"number": re.compile("[0-9]{1,6}"), "number or all": re.compile("all|[0-9]{1,6}")}
MAX_PARAMETERS = 10

# What the engine says of an API path, or None where it has nothing there.
Look = Callable[[str], Json | None]


@dataclass(frozen=True)
class Request:
    """A request as it is sent to the engine."""

    method: str
    target: str
    body: bytes = b""


def translate(policy: Policy, look: Look, method: str, target: str, body: bytes) -> Request:
    """Return the request that is sent on for this one.

    Raises:
        Refused: the hub may not make it.
        Malformed: it can't be read in one way only.
        Missing: what it is about is not in the engine.
    """
    path, _, query = target.partition("?")
    path = re.sub(r"\A/v[0-9]+\.[0-9]+(?=/)", "", path)
    content, given = read_object(body), _parameters(query)
    if method == "POST" and path == "/containers/create":
        return _create(policy, look, given, content)
    if found := NETWORK.fullmatch(path):
        _none_left(given)
        return _network(policy, look, method, found, content)
    if method == "POST" and path == "/volumes/create":
        _none_left(given)
        return _made(path, policy.volume(content))
    if content:
        raise Refused(f"{method} {path[:80]!r} has no body")
    if method == "GET" and path in ("/version", "/_ping"):
        _none_left(given)
        return Request(method, path)
    found = CONTAINER.fullmatch(path)
    if found and METHODS[found[2] or ""] == method:
        kept = _kept(given, PARAMETERS.get(found[2] or "", {}))
        identity = policy.require_container(look(f"/containers/{found[1]}/json"))
        verb = f"/{found[2]}" if found[2] else ""
        return Request(method, f"/containers/{identity}{verb}{kept}")
    raise Refused(f"{method[:10]} {path[:80]!r} is not about users' servers")


def _create(policy: Policy, look: Look, given: dict[str, str], content: Json) -> Request:
    name = given.pop("name", "")
    _none_left(given)
    made = policy.container(name, content)
    # The engine makes a volume that isn't there, without labels; a network it would look for late.
    home = made["HostConfig"]["Binds"][0].partition(":")[0]
    policy.require_volume(look(f"/volumes/{home}"), home)
    policy.require_network(look(f"/networks/{name}"), usable=True)
    return _made(f"/containers/create?{urlencode({'name': name})}", made)


def _network(
    policy: Policy, look: Look, method: str, found: re.Match[str], content: Json
) -> Request:
    name, verb = found[1], found[2]
    if (method, name, verb) == ("POST", "create", None):
        return _made("/networks/create", policy.network(content))
    if not names.of_servers(policy.prefix).fullmatch(name):
        raise Refused(f"network {name[:80]!r} is no user's")
    made = policy.connection(content, leaves=verb == "disconnect") if verb else {}
    if (method, bool(verb)) not in {("GET", False), ("DELETE", False), ("POST", True)}:
        raise Refused(f"{method[:10]} of a network is nothing that the hub needs")
    if content and not verb:
        raise Refused(f"{method} of a network has no body")
    identity = policy.require_network(look(f"/networks/{name}"), usable=verb == "connect")
    if verb:
        return _made(f"/networks/{identity}/{verb}", made)
    return Request(method, f"/networks/{identity}")


def _made(target: str, body: Json) -> Request:
    return Request("POST", target, json.dumps(body).encode("ascii"))


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:
        raise Malformed("the parameters can't be read") from error
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Malformed("a parameter is given twice")
    return given


def _none_left(given: dict[str, str]) -> None:
    if given:
        raise Refused(f"parameters that the hub may not set: {', '.join(sorted(given))[:80]}")


def _kept(given: dict[str, str], known: Mapping[str, str]) -> str:
    """Return the known parameters as they are sent on; raise Refused for all others."""
    kept = {}
    for name, kind in known.items():
        if name not in given:
            continue
        value = given.pop(name)
        if kind in ("flag", "off"):
            read = FLAG.get(value)
        else:
            read = value if _NUMBERS[kind].fullmatch(value) else None
        if read is None or (kind == "off" and read != "0"):
            raise Refused(f"parameter {name}={value[:20]!r} is not what the hub needs")
        kept[name] = read
    _none_left(given)
    return f"?{urlencode(kept)}" if kept else ""


def checked_answer(
    policy: Policy, look: Look, request: Request, status: int, answer: bytes
) -> None:
    """Raise unless a volume that was asked for is the user's home.

    Of a name that is there already the engine makes none and returns what is there, whoever made
    it. After its restart it leaves out labels there until somebody looks at the volume: so we do.
    """
    if request.target == "/volumes/create" and status == 201:
        name = json.loads(answer)["Name"]
        policy.require_volume(look(f"/volumes/{name}"), name)
