"""Whatever two users do, and however S3 fails meanwhile: no acknowledged save is lost.

Each operation is compared with what is really there before and after it. It may change what was
asked for and nothing else; if it was acknowledged, it has.
"""

from __future__ import annotations

import base64
import os
import time
import uuid

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .faults import FaultProxy
from .world import BUCKETS, USERS, At, Fault, World, as_saved, changes, hash_of, same_content

SECONDS = float(os.environ.get("HABARI_SOAK_SECONDS") or 50)
FIRST_SEED = int(os.environ.get("HABARI_SOAK_SEED") or 1)

users = st.sampled_from(USERS)
areas = st.sampled_from(["home", "home", *BUCKETS])
paths = st.sampled_from(["f.txt", "g h%.ipynb", "d/f.txt", "d/n.ipynb", "d/e/x.txt", "d"])
numbers = st.integers(0, 30)
methods = st.sampled_from(["GET", "PUT", "PUT", "HEAD", "POST", ""])
kinds = ["refuse", "hang", "late", "slow", "slow-down", "forbid", "expire"]
failing = st.builds(
    Fault,
    st.sampled_from([*kinds, "lose-answer", "cut-body", "late", "lose-answer"]),
    methods,
    st.integers(0, 3),
    st.integers(0, 2),
)
faults = st.one_of(st.none(), st.none(), failing)
killing = st.builds(
    Fault, st.just("kill"), st.sampled_from(["GET", "PUT", "POST", "HEAD"]), st.integers(0, 6)
)
UNKNOWN = object()


class Work(RuleBasedStateMachine):
    """Ada and Grace at work; every example has a root of its own in every place."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.root = f"m{uuid.uuid4().hex[:10]}"
        self.seen: dict[str, dict[At, object]] = {user: {} for user in USERS}
        self.late: list[dict[At, tuple[bytes | None, bytes | None]]] = []
        self.kills = 0
        for server in self.world.users.values():
            (server.home / self.root / "d" / "e").mkdir(parents=True)
            (server.home / self.root / "d" / "f.txt").write_bytes(uuid.uuid4().bytes)
        for area in BUCKETS:
            self.world.write_outside(self.root, At(area, "d/first.txt"), uuid.uuid4().bytes)
            self.world.write_outside(self.root, At(area, "f.txt"), uuid.uuid4().bytes)
        self.now = self.world.files(self.root)

    # What is asked, and what has come of it.

    def at(self, user: str, area: str, path: str) -> At:
        return At(user if area == "home" else area, path)

    def path(self, at: At) -> str:
        return (
            f"{at.area}/{self.root}/{at.path}" if at.area in BUCKETS else f"{self.root}/{at.path}"
        )

    def ask(self, user: str, fault: Fault | None, may: dict[At, bytes | None], call):
        """Ask, and hold the outcome against what may change: all of it if acknowledged."""
        before = self.now
        answer = self.world.attempt(user, fault, call)
        after = self.now = self.world.files(self.root)
        status = "killed" if answer is None else f"{answer.status_code} {answer.text[:150]}"
        note(f"{user} {fault}: {status}")
        if answer is None:
            self.seen[user].clear()
        checkpoints = {at for at in before.keys() | after.keys() if ".ipynb_checkpoints" in at.path}
        for at, (was, now) in changes(before, after).items():
            if at not in checkpoints or at in may:
                assert at in may, f"{at} was not asked for: {was!r} became {now!r} ({status})"
                assert now == may[at], f"{at}: {was!r} became {now!r}, asked {may[at]!r} ({status})"
        if answer is not None and answer.ok:
            for at, wanted in may.items():
                assert after.get(at) == wanted, f"{at} was acknowledged ({status})"
        elif answer is not None and answer.status_code < 500:
            assert not changes(before, after) or answer.status_code in {403, 409}, status
        if fault and fault.kind == "late":
            self.late.append({at: (before.get(at), wanted) for at, wanted in may.items()})
        return answer

    def existing(self, user: str, number: int, *, folders: bool = False) -> At | None:
        """One of the files (or folders) that the user can reach."""
        files = {
            at
            for at in self.now
            if ".ipynb_checkpoints" not in at.path and at.area in (user, *BUCKETS)
        }
        found = set(files)
        if folders:
            for at in files:
                parts = at.path.split("/")
                found |= {At(at.area, "/".join(parts[:n])) for n in range(1, len(parts))}
        return sorted(found)[number % len(found)] if found else None

    def beneath(self, at: At) -> dict[At, bytes]:
        return {each: content for each, content in self.now.items() if each.under(at)}

    def forget(self, user: str, *places: At) -> None:
        for place in places:
            for at in [at for at in self.seen[user] if at.under(place)]:
                del self.seen[user][at]

    # What they do.

    @rule(user=users, area=areas, path=paths, fault=faults)
    def save(self, user, area, path, fault) -> None:
        self._save(user, self.at(user, area, path), fault)

    @rule(user=users, number=numbers, fault=faults)
    def save_again(self, user, number, fault) -> None:
        at = self.existing(user, number)
        if at:
            self._save(user, at, fault)

    @rule(user=users, number=numbers, fault=faults)
    def open_and_save(self, user, number, fault) -> None:
        at = self.existing(user, number)
        if at:
            answer = self._open(user, at, None)
            known = answer.json().get("hash") if answer.ok else None
            self._save(user, at, fault, known if at.area in BUCKETS else None)

    def _save(self, user: str, at: At, fault: Fault | None, known: str | None = None) -> None:
        model, content = as_saved(at.path, uuid.uuid4().hex)
        if known:
            model |= {"hash": known, "hash_algorithm": "etag"}
        was = self.now.get(at)
        folder = bool(self.beneath(At(at.area, f"{at.path}/")))
        path = self.path(at)
        answer = self.ask(user, fault, {at: content}, lambda server: server.put(path, model))
        if answer is None:
            return
        if answer.ok:
            assert not (folder and was is None), f"{at}: a file replaced a folder"
            seen = self.seen[user].get(at, UNKNOWN)
            if at.area in BUCKETS and was is not None:
                assert seen in (UNKNOWN, was), f"{at}: {was!r} was overwritten, seen was {seen!r}"
                assert known in (None, hash_of(was)), f"{at}: saved over another hash"
            self.seen[user][at] = content
        elif answer.status_code == 409:
            self.seen[user].pop(at, None)

    @rule(user=users, number=numbers, fault=faults)
    def open(self, user, number, fault) -> None:
        at = self.existing(user, number)
        if at:
            self._open(user, at, fault)

    def _open(self, user: str, at: At, fault: Fault | None):
        path, was = self.path(at), self.now.get(at)
        answer = self.ask(user, fault, {}, lambda server: server.get(path, content=1))
        if answer is not None and answer.ok:
            assert same_content(answer.json(), was), f"{at}: something else was opened"
            self.seen[user][at] = was
        return answer

    @rule(user=users, area=areas, path=paths, fault=faults)
    def look(self, user, area, path, fault) -> None:
        """As JupyterLab does before and after a save."""
        at = self.at(user, area, path)
        api, was = self.path(at), self.now.get(at)
        answer = self.ask(user, fault, {}, lambda s: s.get(api, content=0, hash=1))
        if answer is None or at.area not in BUCKETS:
            return
        if answer.status_code == 404:
            assert was is None, f"{at}: is there"
            self.seen[user][at] = None
        elif answer.ok and answer.json()["type"] != "directory":
            own = self.seen[user].get(at)
            shown = [c for c in (was, own) if c and hash_of(c) == answer.json()["hash"]]
            assert shown, f"{at}: has another hash"
            self.seen[user][at] = shown[0]

    @rule(user=users, area=areas, folder=st.sampled_from(["", "d", "d/e"]), fault=faults)
    def list_folder(self, user, area, folder, fault) -> None:
        at = self.at(user, area, folder)
        path = self.path(at).rstrip("/")
        answer = self.ask(user, fault, {}, lambda s: s.get(path, type="directory"))
        if answer is not None and answer.ok:
            begin = f"{folder}/" if folder else ""
            inside = {f.path for f in self.now if f.area == at.area and f.path.startswith(begin)}
            rest = {path[len(begin) :] for path in inside}
            files = {name for name in rest if "/" not in name}
            entries = answer.json()["content"]
            assert {e["name"] for e in entries if e["type"] != "directory"} == files
            folders = {name.split("/")[0] for name in rest if "/" in name}
            shown = {e["name"] for e in entries if e["type"] == "directory"}
            assert folders - {".ipynb_checkpoints"} <= shown

    @rule(user=users, number=numbers, fault=faults)
    def delete(self, user, number, fault) -> None:
        at = self.existing(user, number, folders=True)
        if at:
            path, may = self.path(at), dict.fromkeys(self.beneath(at))
            answer = self.ask(user, fault, may, lambda s: s.call("DELETE", path))
            if answer is not None and answer.ok:
                self.forget(user, at)

    @rule(user=users, number=numbers, area=areas, path=paths, fault=faults)
    def move(self, user, number, area, path, fault) -> None:
        at = self.existing(user, number, folders=True)
        if at:
            self._move(user, at, self.at(user, area, path), fault)

    @precondition(lambda self: self.kills < 1)
    @rule(user=users, number=numbers, area=areas, path=paths, fault=killing)
    def move_and_be_killed(self, user, number, area, path, fault) -> None:
        at, new = self.existing(user, number, folders=True), self.at(user, area, path)
        if at and (at.area in BUCKETS or new.area in BUCKETS):
            self.kills += 1
            before = self.now
            if self._move(user, at, new, fault) is None:
                moved = {each: c for each, c in before.items() if each.under(at)}
                sides = [
                    all(self.now.get(each) == c for each, c in moved.items()),
                    all(self.now.get(each.moved(at, new)) == c for each, c in moved.items()),
                ]
                assert sides.count(True) == 1 or at == new, f"{at} to {new} is torn: {sides}"

    def _move(self, user: str, old: At, new: At, fault: Fault | None):
        moved = self.beneath(old)
        may: dict[At, bytes | None] = dict.fromkeys(moved)
        may |= {each.moved(old, new): content for each, content in moved.items()}
        if old == new:
            may = {}
        there = bool(self.beneath(new))
        source, target = self.path(old), self.path(new)
        answer = self.ask(user, fault, may, lambda s: s.move(source, target))
        for each, content in moved.items():
            places = (self.now.get(each), self.now.get(each.moved(old, new)))
            assert content in places, f"{each} is gone on both sides"
        if answer is not None and (answer.ok or old == new):
            assert not there or old == new, f"{new} was there"
            self.forget(user, old, new)
        return answer

    @rule(
        user=users, number=numbers, area=areas, folder=st.sampled_from(["", "d", "k"]), fault=faults
    )
    def copy(self, user, number, area, folder, fault) -> None:
        at, into = self.existing(user, number, folders=True), self.at(user, area, folder)
        if not at or into.under(at) or not {at.area, into.area} & BUCKETS.keys():
            return
        name, number = at.path.rpartition("/")[2], 0
        source, target = self.path(at), self.path(into).rstrip("/")
        before = self.now
        answer = self.world.attempt(
            user, fault, lambda s: s.call("POST", target, json={"copy_from": source})
        )
        self.now = self.world.files(self.root)
        note(f"copy {answer.status_code} {answer.text[:150]}")
        made = {f: pair[1] for f, pair in changes(before, self.now).items()}
        for each, content in made.items():
            assert each not in before, f"{each} was there"
            assert each.area == into.area, f"{each} was not asked for"
            assert content in before.values(), f"{each} is no copy"
        if answer.ok:
            new = At(into.area, answer.json()["path"].partition(f"{self.root}/")[2])
            for each, content in before.items():
                if each.under(at) and "checkpoints" not in each.path:
                    assert self.now.get(each.moved(at, new)) == content, f"{each} was not copied"
            self.forget(user, new)
        if fault and fault.kind == "late":
            copies = {c for f, c in before.items() if f.under(at)}
            self.late.append({"copies": copies, "into": into, "name": name})

    @rule(user=users, number=numbers, fault=faults)
    def keep(self, user, number, fault) -> None:
        """Make a checkpoint."""
        at = self.existing(user, number)
        if at:
            path, may = self.path(at), {at.kept(): self.now[at]}
            self.ask(user, fault, may, lambda s: s.call("POST", f"{path}/checkpoints"))

    @rule(user=users, number=numbers, fault=faults)
    def restore(self, user, number, fault) -> None:
        at = self.existing(user, number)
        if at and at.kept() in self.now:
            path, may = self.path(at), {at: self.now[at.kept()]}
            answer = self.ask(
                user, fault, may, lambda s: s.call("POST", f"{path}/checkpoints/checkpoint")
            )
            if answer is not None and answer.ok:
                self.forget(user, at)

    @rule(user=users, area=st.sampled_from(list(BUCKETS)), path=paths, fault=faults)
    def upload(self, user, area, path, fault) -> None:
        at = self.at(user, area, path)
        content = uuid.uuid4().bytes * 3
        api, may = self.path(at), {at: content}
        first = self.ask(user, None, {}, lambda s: s.put(api, _chunk(1, content[:30])))
        if not first.ok:
            return
        answer = self.ask(user, fault, may, lambda s: s.put(api, _chunk(-1, content[30:])))
        self.forget(user, at)
        if answer is not None and answer.ok:
            self.seen[user][at] = content

    @rule(number=numbers)
    def kernel_writes(self, number) -> None:
        files = sorted(at for at in self.now if at.area in BUCKETS and "checkpoints" not in at.path)
        if files:
            at = files[number % len(files)]
            self.world.write_outside(self.root, at, as_saved(at.path, uuid.uuid4().hex)[1])
            self.now = self.world.files(self.root)

    @precondition(lambda self: self.late)
    @rule()
    def late_requests_land(self) -> None:
        """What was not answered in time is done after all, long after its user was told."""
        before = self.now
        self.world.proxy.release()
        after = self.now = self.world.files(self.root)
        for at, (was, now) in changes(before, after).items():
            if "checkpoints" in at.path:
                continue
            allowed = [each[at] for each in self.late if at in each]
            copies = [e for e in self.late if "copies" in e and at.area == e["into"].area]
            if was is None and any(now in each["copies"] for each in copies):
                continue
            assert (was, now) in allowed, f"{at}: {was!r} became {now!r} late"
        self.late.clear()

    @rule(
        user=users,
        other=users,
        number=numbers,
        what=st.sampled_from(["_save", "delete", "restore", "move", "keep"]),
        method=st.sampled_from(["PUT", "POST"]),
        area=areas,
        path=paths,
    )
    def doubt_and_go_on(self, user, other, number, what, method, area, path) -> None:
        """Something is not answered; its user, or another one, goes on; then it is done."""
        at, fault = self.existing(user, number), Fault("late", method, 0, 1)
        if not at or at.area not in BUCKETS:
            return
        if what == "_save":
            self._save(user, at, fault)
        elif what == "move":
            new = self.at(user, area, path)
            self._move(user, at, new, fault)
            if new.area in (other, *BUCKETS):
                self._save(other, new, None)
        else:
            getattr(self, what)(user=user, number=number, fault=fault)
        for _ in range(3):
            self._save(other, at, None)
        if self.late:
            self.late_requests_land()

    def teardown(self) -> None:
        self.world.proxy.fail("pass")
        self.late_requests_land()


def _chunk(number: int, content: bytes) -> dict:
    text = base64.b64encode(content).decode()
    return {"type": "file", "format": "base64", "chunk": number, "content": text}


@pytest.fixture(scope="module")
def world(tmp_path_factory, s3, moto_port):
    proxy = FaultProxy(moto_port)
    world = World(tmp_path_factory.mktemp("world"), s3, proxy)
    yield world
    world.stop()
    proxy.close()


@pytest.mark.timeout(SECONDS + 600)
def test_no_acknowledged_save_is_lost(world):
    """Repeat what failed with HABARI_SOAK_SEED set to the seed that is told."""
    limit, number = time.monotonic() + SECONDS, FIRST_SEED
    quiet = settings(
        max_examples=4,
        stateful_step_count=30,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() < limit:
        machine = seed(number)(type("Work", (Work,), {"world": world}))
        try:
            run_state_machine_as_test(machine, settings=quiet)
        except Exception as error:
            error.add_note(f"HABARI_SOAK_SEED={number}")
            raise
        number += 1
