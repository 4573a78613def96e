"""Requests, and checks of their outcome: it may change what was asked for, and no more."""

from __future__ import annotations

import uuid

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from .world import BUCKETS, USERS, At, Fault, World, as_saved, changes, same_content

UNKNOWN = object()


class CheckedRequests(RuleBasedStateMachine):
    """What two users know, and what is there: each answer is held against both."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.root = f"m{uuid.uuid4().hex[:10]}"
        self.seen: dict[str, dict[At, object]] = {user: {} for user in USERS}
        self.late: list[dict[At, tuple[bytes | None, bytes | None]]] = []
        self.kills = 0
        self.world.proxy.habit = None
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
                assert known in (None, self.world.hash_of(was)), f"{at}: saved over another hash"
            self.seen[user][at] = content
        elif answer.status_code == 409:
            self.seen[user].pop(at, None)

    def _open(self, user: str, at: At, fault: Fault | None):
        path, was = self.path(at), self.now.get(at)
        answer = self.ask(user, fault, {}, lambda server: server.get(path, content=1))
        if answer is not None and answer.ok:
            assert same_content(answer.json(), was), f"{at}: something else was opened"
            self.seen[user][at] = was
        return answer

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
