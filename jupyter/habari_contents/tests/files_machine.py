"""What the two users of the state machine draw from, and what they do with single files."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .checked_requests import CheckedRequests
from .habits.outcomes import OUTCOMES
from .world import BUCKETS, USERS, Fault

users = st.sampled_from(USERS)
areas = st.sampled_from(["home", "home", *BUCKETS])
paths = st.sampled_from(["f.txt", "g h%.ipynb", "d/f.txt", "d/n.ipynb", "d/e/x.txt", "d"])
numbers = st.integers(0, 30)
methods = st.sampled_from(["GET", "PUT", "PUT", "HEAD", "DELETE", ""])
kinds = ["refuse", "hang", "late", "slow", "slow-down", "forbid", "expire", *OUTCOMES]
failing = st.builds(
    Fault,
    st.sampled_from([*kinds, "lose-answer", "cut-body", "late", "lose-answer"]),
    methods,
    st.integers(0, 3),
    st.integers(0, 2),
)
faults = st.one_of(st.none(), st.none(), failing)
killing = st.builds(
    Fault, st.just("kill"), st.sampled_from(["GET", "PUT", "DELETE", "HEAD"]), st.integers(0, 6)
)


class Files(CheckedRequests):
    """Saving, opening, looking, listing, deleting."""

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

    @rule(user=users, number=numbers, fault=faults)
    def open(self, user, number, fault) -> None:
        at = self.existing(user, number)
        if at:
            self._open(user, at, fault)

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
            shown = [c for c in (was, own) if c and self.world.hash_of(c) == answer.json()["hash"]]
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
