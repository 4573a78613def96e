"""The engine's own decoder and the policy read no body differently.

What the policy sends on is read by the engine's types (Go, tests/unit/engine_decoder) as just what
holds a container down; and what they read in the body that came is in there, or it was refused.
`TESTS_SOAK_BODIES` is the number of bodies (`nox -s soak`).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from habari_socket.fields import Json
from habari_socket.policy import HELD_DOWN, PLAIN_NETWORK
from habari_socket.refusals import Refusal
from habari_socket.routes import translate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_socket_policy import (
    HOME,
    HOST_NAME,
    LABELS,
    NAME,
    NETWORK,
    PARTNER,
    POLICY,
    SERVER,
    VOLUME,
    engine,
)

SOURCE = Path(__file__).with_name("engine_decoder")
BODIES = int(os.environ.get("TESTS_SOAK_BODIES", "2000"))
KINDS: dict[str, tuple[str, Json]] = {
    "container": (f"/containers/create?name={NAME}", SERVER),
    "volume": ("/volumes/create", VOLUME),
    "network": ("/networks/create", NETWORK),
    "connect": (f"/networks/{NAME}/connect", PARTNER),
}
THERE = engine()
FOLDED = str.maketrans({"s": "\u017f", "S": "\u017f", "k": "\u212a", "K": "\u212a"})
VARIANTS: tuple[Callable[[str], str], ...] = (
    *(str, str, str, str, str.lower, str.upper, str.swapcase),
    lambda key: key.translate(FOLDED),
    lambda key: f"{key}\0",
)
VALUES: tuple[Any, ...] = (
    *(False, True, 0, 1, -1, 0.5, 2**63, "", "0", "0:0", "host", "ALL", "\ud800"),
    *([], {}, [None], [""], ["ALL"], ["SYS_ADMIN"], ["apparmor=unconfined"], ["/:/host"]),
    *({"": None}, {"Name": "no"}, {"Privileged": True}, {"habari-1-hub_data": {}}),
)
FREE = {"Env", "Cmd", "ExposedPorts", "AttachStdout", "AttachStderr"}
FREE_HOST = {"Memory", "CpuPeriod", "CpuQuota"}


class Pairs(list[tuple[str, Any]]):
    """A JSON object that may have a name twice."""


def tree(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs((key, tree(each)) for key, each in value.items())
    return [tree(each) for each in value] if isinstance(value, list) else value


def text(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}: {text(each)}" for key, each in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    return json.dumps(value)


def objects(value: Any) -> Iterator[Pairs]:
    if isinstance(value, Pairs):
        yield value
    if isinstance(value, list):
        for each in value:
            yield from objects(each[1] if isinstance(value, Pairs) else each)


def change(body: Pairs, numbers: bytes, names: list[str]) -> None:
    """Change one object of a body: set, add, give twice, rename, drop or nest one of its fields."""
    found = list(objects(body))
    where = found[numbers[0] % len(found)]
    place = numbers[1] % max(1, len(where))
    key, old = where[place] if where else ("Name", None)
    # As often as not something that may be: nothing, or what was there.
    other = tree((*VALUES, *([None, old] * 12))[numbers[2] % (len(VALUES) + 24)])
    variant = VARIANTS[numbers[3] % len(VARIANTS)]
    name = names[numbers[4] % len(names)]
    match (0, 0, 0, 4, 4, 1, 2, 3, 5, 6)[numbers[5] % 10]:
        case 0:
            where[place : place + 1] = [(key, other)]
        case 1:
            where.insert(place, (variant(name), other))
        case 2:
            where.insert(numbers[4] % (len(where) + 1), (variant(key), other))
        case 3:
            where[place : place + 1] = [(variant(key), old)]
        case 4:
            del where[place : place + 1]
        case 5:
            where[place : place + 1] = [(key, Pairs([(key, old)]))]
        case 6:
            where[place : place + 1] = [(key, [old, old])]


# Six numbers for each change, one to three of them.
MANY = st.binary(min_size=6, max_size=18)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's decoder; CI has Go, and fails where it is not built."""
    if shutil.which("go") is None:
        pytest.skip("no Go here, in which the engine's own decoder is: apt install golang")
    made = tmp_path_factory.mktemp("decoder") / "decoder"
    subprocess.run(["go", "build", "-o", str(made), "."], cwd=SOURCE, check=True, timeout=110)
    return made


class Decoder:
    """The running program."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, kind: str, body: bytes) -> Any:
        """What the engine makes of a body; None where it is an error."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{kind} {base64.b64encode(body).decode()}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline()).get("body")

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def decoder(program: Path) -> Iterator[Decoder]:
    running = Decoder(program)
    yield running
    running.close()


@pytest.fixture(scope="module")
def names(program: Path) -> list[str]:
    """Every field that the engine knows, at any depth."""
    listed = subprocess.run([program, "fields"], check=True, capture_output=True, timeout=10)
    return sorted(json.loads(listed.stdout))


def set_fields(value: Any) -> Any:
    """Without what is not set: Go's zero values, at any depth."""
    if isinstance(value, dict):
        found = {key: set_fields(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in (None, {})} or None
    if isinstance(value, list) and not any(map(set_fields, value)):
        return None
    return value or None


def sent_on(kind: str, body: bytes) -> bytes | None:
    try:
        return translate(POLICY, THERE.get, "POST", KINDS[kind][0], body).body
    except Refusal:
        return None


def wanted(kind: str, read: Json) -> Json:
    """What the engine may read, with what is free as it is."""
    if kind == "connect":
        return PARTNER
    if kind == "volume":
        return {"Name": HOME, "Driver": "local", "Labels": LABELS}
    if kind == "network":
        network = {"Name": NAME, "Internal": True, "Options": POLICY.options, "Labels": LABELS}
        return {**network, "Driver": PLAIN_NETWORK["Driver"]}
    host = read["HostConfig"]
    binds = [f"{HOME}:/home/jovyan:rw", "/p:/home/jovyan/project:rw"][: len(host["Binds"])]
    return {
        **{key: value for key, value in read.items() if key in FREE},
        "Image": POLICY.image,
        "User": "1000:100",
        "Hostname": HOST_NAME,
        "Labels": LABELS,
        "HostConfig": {
            **{key: value for key, value in host.items() if key in FREE_HOST},
            **{key: value for key, value in HELD_DOWN.items() if value},
            "NetworkMode": NAME,
            "Binds": binds,
        },
        "NetworkingConfig": {"EndpointsConfig": {NAME: {"Aliases": [HOST_NAME]}}},
    }


def differences(came: Any, sent: Any, where: str = "") -> Iterator[str]:
    """What the engine read in the body that came, and not in the one that was sent on."""
    if isinstance(came, dict) and isinstance(sent, dict):
        for key, value in came.items():
            if (where, key) != ("", "Volumes"):  # places of mounts, which Binds say
                yield from differences(value, sent.get(key), f"{where}.{key}")
    elif set_fields(came) is not None and came != sent:
        yield f"{where}: {came!r} came, {sent!r} was sent on"


def test_bodies_are_read_as_the_engine_reads_them(decoder: Decoder, names: list[str]) -> None:
    allowed = refused = 0

    @settings(
        max_examples=BODIES,
        deadline=None,
        database=None,
        derandomize="TESTS_SOAK_BODIES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(KINDS)), MANY)
    def agrees(kind: str, changes: bytes) -> None:
        nonlocal allowed, refused
        body = tree(KINDS[kind][1])
        for start in range(0, len(changes) - 5, 6):
            change(body, changes[start : start + 6], names)
        came = text(body).encode()
        sent = sent_on(kind, came)
        if sent is None:
            refused += 1
            return
        allowed += 1
        read = decoder.read(kind, sent)
        assert set_fields(read) == set_fields(wanted(kind, read)), came
        first = decoder.read(kind, came)
        assert first is not None, f"the engine does not read {came!r}"
        assert not list(differences(first, read)), came

    agrees()
    assert min(allowed, refused) > BODIES / 20, (allowed, refused)
    print(f"{allowed} bodies sent on, {refused} refused")  # noqa: T201


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 255), st.integers(0, 255), JSON)
def test_whatever_has_the_wrong_type_is_refused_and_never_an_error(
    kind: str, which: int, place: int, value: Any
) -> None:
    body = tree(KINDS[kind][1])
    where = list(objects(body))
    inner = where[which % len(where)]
    if inner:
        inner[place % len(inner)] = (inner[place % len(inner)][0], tree(value))
    sent_on(kind, text(body).encode())
    sent_on(kind, text(tree(value)).encode())
