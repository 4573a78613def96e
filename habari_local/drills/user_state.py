"""What people have on a platform: made before an upgrade, looked at after it, and compared."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from habari_local.drills import odd_entries, odd_objects
from habari_local.drills.hub_user import HubUser
from habari_local.drills.save_ledger import notebook_of, text_of
from habari_local.drills.scratch_platform import Worktree
from habari_local.s3.s3_client import translate_errors

PLACES = {"home": "", "lake": "lake/", "notebooks": "notebooks/"}
ODD = "odd-entries"  # the folder of a home in which they are
OddVerb = Literal["make", "make-open", "look"]
SECONDS = 40
FORBIDDEN = 403
Seen = Mapping[str, str]  # what was looked at → what was seen, in words


@dataclass(frozen=True)
class Comparison:
    """One thing of somebody's, before and after."""

    owner: str
    what: str
    before: str
    after: str

    @property
    def good(self) -> bool:
        """Whether it is as it was."""
        return self.before == self.after


def create(person: HubUser, run: str) -> None:
    """Make a notebook in each place, and a checkpoint of an older version where one is kept.

    Raises:
        requests.RequestException: something was refused.
    """
    for name, place in PLACES.items():
        person.make_folder(f"{place}{run}")
        path = _path(person, name, run)
        for version in (1, 2):
            model = {"type": "notebook", "format": "json"}
            content = notebook_of(text_of(f"{person.name} {name}", version))
            _ask(person, "PUT", path, json={**model, "content": content})
            if version == 1:
                _keep_checkpoint(person, path)


def _keep_checkpoint(person: HubUser, path: str) -> None:
    """Make a checkpoint; a folder may be set to keep none, which is no failure."""
    import requests

    try:
        _ask(person, "POST", f"{path}/checkpoints")
    except requests.HTTPError as error:
        if error.response.status_code != FORBIDDEN:
            raise


def read_state(people: Sequence[HubUser], run: str) -> dict[str, Seen]:
    """Return what each person has now: notebooks, checkpoints, a server and since when."""
    return {person.name: dict(_of(person, run)) for person in people}


def compare(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[Comparison]:
    """Return everything that was there before, beside how it is now."""
    return [
        Comparison(owner, what, told, after.get(owner, {}).get(what, "gone"))
        for owner, things in before.items()
        for what, told in things.items()
    ]


def odd_entries_of(platform: Worktree, name: str, verb: OddVerb) -> Seen:
    """Return all that there is of each odd entry in somebody's home, made first or as it is.

    Raises:
        CommandFailed: it can't be made, or looked at, in the server.
    """
    program = inspect.getsource(odd_entries)
    said = platform.call("shell", name, "--", "python3", "-c", program, verb, f"~/{ODD}")
    found = json.loads(said.splitlines()[-1])
    return {f"{ODD}/{entry}": json.dumps(told) for entry, told in found.items()}


def odd_objects_of(platform: Worktree, *, make: bool) -> Seen:
    """Return all that there is of each object in the lake, the odd ones made first or as it is.

    Where S3 is not the platform's own, somebody's own bucket is left alone: nothing is told.

    Raises:
        HabariError: S3 refused, or did not answer.
    """
    own = platform.own_lake()
    if own is None:
        return {}
    s3, lake = own
    with closing(s3), translate_errors(f"Bucket {lake} of the drill"):
        if make:
            odd_objects.make(s3, lake)
        found = odd_objects.look(s3, lake)
    return {f"lake/{key}": json.dumps(told, sort_keys=True) for key, told in found.items()}


def clear(person: HubUser, run: str) -> None:
    """Delete what was made; raises requests' errors."""
    for name, place in PLACES.items():
        _ask(person, "DELETE", _path(person, name, run))
        _ask(person, "DELETE", f"{place}{run}")


def _of(person: HubUser, run: str) -> Iterator[tuple[str, str]]:
    import requests

    for name in PLACES:
        path = _path(person, name, run)
        try:
            source = _ask(person, "GET", path)["content"]["cells"][0]["source"]
            versions = {text_of(f"{person.name} {name}", n): f"version {n}" for n in (1, 2)}
            told = versions.get(source, "something else")
        except (requests.RequestException, LookupError) as error:
            told = f"not readable ({_word(error)})"
        yield f"notebook in {name}", told
        try:
            count = len(_ask(person, "GET", f"{path}/checkpoints"))
            told = f"{count} there"
        except requests.RequestException as error:
            told = f"not readable ({_word(error)})"
        yield f"checkpoint in {name}", told
    yield from _server(person)


def _server(person: HubUser) -> Iterator[tuple[str, str]]:
    import requests

    try:
        about = person.hub.ask("GET", f"users/{quote(person.name)}")
        servers = about.get("servers") or {}
        yield "server", f"since {servers['']['started']}" if "" in servers else "does not run"
        yield "account", "admin" if about.get("admin") else "user"
    except requests.RequestException as error:
        yield "server", f"unknown ({_word(error)})"


def _path(person: HubUser, name: str, run: str) -> str:
    return f"{PLACES[name]}{run}/{person.name}-{name}.ipynb"


def _ask(person: HubUser, method: str, path: str, **more: Any) -> Any:
    answer = person.web.request(method, f"{person.url}/{quote(path)}", timeout=SECONDS, **more)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def _word(error: Exception) -> str:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return str(code or type(error).__name__)
