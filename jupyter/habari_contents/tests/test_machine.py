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
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .faults import FaultProxy
from .files_machine import Files, areas, faults, killing, numbers, paths, users
from .habits import HABITS, TRANSPARENT
from .world import BUCKETS, At, Fault, World, as_saved, changes

SECONDS = float(os.environ.get("TESTS_SOAK_SECONDS") or 50)
FIRST_SEED = int(os.environ.get("TESTS_SOAK_SEED") or 1)


class Work(Files):
    """Ada and Grace at work; every example has a root of its own, and the store some habit."""

    @initialize(habit=st.sampled_from([None, None, *TRANSPARENT]))
    def choose_habit(self, habit) -> None:
        note(f"habit: {habit}")
        self.world.proxy.habit = HABITS[habit]() if habit else None

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
                assert sides.count(True) == 1 or at == new, f"{at} to {new} is half moved: {sides}"

    @rule(
        user=users, number=numbers, area=areas, folder=st.sampled_from(["", "d", "k"]), fault=faults
    )
    def copy(self, user, number, area, folder, fault) -> None:
        at, into = self.existing(user, number, folders=True), self.at(user, area, folder)
        if not at or into.under(at) or not {at.area, into.area} & BUCKETS.keys():
            return
        if not folder and area in BUCKETS and not any(each.area == area for each in self.now):
            return  # no such folder: Jupyter makes a file of that name, outside of what we look at
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
        method=st.sampled_from(["PUT", "DELETE"]),
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
def world(tmp_path_factory, s3, s3_port):
    proxy = FaultProxy(s3_port)
    world = World(tmp_path_factory.mktemp("world"), s3, proxy)
    yield world
    world.stop()
    proxy.close()


@pytest.mark.timeout(SECONDS + 600)
def test_no_acknowledged_save_is_lost(world):
    """Repeat what failed with TESTS_SOAK_SEED set to the seed that is told."""
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
            error.add_note(f"TESTS_SOAK_SEED={number}")
            raise
        finally:
            print(number, dict(world.counted), flush=True)  # noqa: T201 - for those who watch
        number += 1
