"""What the tool tells the dashboard of this machine, which a service of the hub can't see itself.

The dashboard (hub/habari_dashboard) takes it at one address, in every mode, from the hub's service
`habari-local` alone. It is told by who looks anyway (`why`, `e2e`), and again and again by
`open --dashboard`. No secret of ours is in it.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from habari_local.core.errors import NOT_READY, HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Endpoints, Mode, ServiceStatus

PATH = "services/dashboard/"
SECONDS = 5.0  # for an answer
LOG_LINES = 100  # of each service and server
ERRORS = 5  # of each service
KEYS = 10_000  # of a bucket that are looked at
NEWEST = 10
PAUSE = 2.0  # seconds between two rounds
# Part → seconds until it is looked at again; longer where looking itself takes long.
EVERY = {"services": 2.0, "logs": 4.0, "buckets": 10.0, "why": 20.0, "report": 4.0}
COST = 4  # times as long as a look took, at least, until the next one

Facts = Mapping[str, Any]


def publish(where: Endpoints, facts: Facts, seconds: float = SECONDS) -> int:
    """Tell the dashboard; return the HTTP status, 0 if nobody answered."""
    url = urlsplit(f"{where.hub_url}{PATH}api/facts")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=seconds)
    headers = {
        "Authorization": f"token {where.hub_api_token}",
        "Content-Type": "application/json",
    }
    try:
        connection.request("POST", url.path, json.dumps(facts), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def tell(mode: Mode, ctx: Context, facts: Callable[[], Facts]) -> None:
    """Tell the dashboard of a platform that is up what was just found; without one, nothing."""
    from habari_local import active_mode

    if not ctx.secrets or active_mode.active_mode(ctx.checkout) != mode.name:
        return
    where = mode.endpoints(ctx)
    if where.hub:
        publish(where, facts(), 1.0)


def tell_diagnosis(mode: Mode, ctx: Context, found: Mapping[str, Any]) -> None:
    """Tell the dashboard what `why` has just said."""
    tell(mode, ctx, lambda: diagnosis(found, _redaction(ctx)))


def tell_report(mode: Mode, ctx: Context) -> None:
    """Tell the dashboard what the suite has just found."""
    tell(mode, ctx, lambda: report(mode, ctx, _redaction(ctx)))


def _redaction(ctx: Context) -> Callable[[str], str]:
    from habari_local.commands.bundle import known_secrets
    from habari_local.core.redaction import Redaction

    return Redaction(known_secrets(ctx))


def services(rows: Sequence[ServiceStatus]) -> Facts:
    """Return how services and users' servers are."""
    return {
        "services": [
            {
                "name": row.name,
                "user": row.user,
                "state": row.state,
                "since": row.since,
                "memory": row.memory,
            }
            for row in rows
        ]
    }


def diagnosis(found: Mapping[str, Any], hidden: Callable[[str], str]) -> Facts:
    """Return what `why` said, as its JSON has it."""
    broken = next((c for c in found["checks"] if c["name"] == found["broken"]), None)
    return {
        "why": {
            "good": found["good"],
            "message": hidden(broken["message"]) if broken else "",
            "try": hidden(found["try"] or ""),
            "checks": [
                {"name": c["name"], "state": c["state"], "message": hidden(c["message"])}
                for c in found["checks"]
            ],
        }
    }


def report(mode: Mode, ctx: Context, hidden: Callable[[str], str]) -> Facts:
    """Return the last run of the end-to-end suite in this mode; nothing if there is none."""
    file = ctx.checkout.report / f"results-{mode.name}.json"
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
        outcomes = [each["outcome"] for each in run["checks"]]
        failures = [each for each in run["checks"] if each["outcome"] == "failed"]
        return {
            "report": {
                "started": run["started"],
                "ended": run["ended"],
                "passed": outcomes.count("passed"),
                "failed": len(failures),
                "left_out": len(outcomes) - outcomes.count("passed") - len(failures),
                "path": str((ctx.checkout.report / "index.html").relative_to(ctx.checkout.root)),
                "failures": [
                    {
                        "id": each["id"],
                        "title": hidden(each["title"]),
                        "message": hidden(each["message"])[:500],
                    }
                    for each in failures
                ],
            }
        }
    except (OSError, ValueError, KeyError):
        return {}


def logs(mode: Mode, ctx: Context, hidden: Callable[[str], str]) -> Facts:
    """Return the last lines of each service and user's server, and services' last errors."""
    from habari_local.diagnosis.evidence import PROBES, last_errors

    known = mode.services(ctx)
    found: dict[str, list[str]] = {}
    for line in mode.logs(ctx, [], follow=False, lines=LOG_LINES):
        name, _, text = line.partition(" | ")
        if not PROBES.search(text):  # of which the dashboard itself makes many
            found.setdefault(name.strip().removeprefix("server of "), []).append(hidden(text))
    errors = {name: last_errors(found.get(name, ()))[-ERRORS:] for name in known}
    return {"logs": found, "errors": errors}


def buckets(where: Endpoints, backend: str, hidden: Callable[[str], str]) -> Facts:
    """Return what is in the two buckets; of a large one the first keys."""
    client = where.s3.client(backend)
    named = {"lake": where.s3.lake_bucket, "notebooks": where.s3.notebooks_bucket}
    return {"buckets": [_bucket(client, *each, hidden) for each in named.items()]}


def _bucket(client: Any, title: str, name: str, hidden: Callable[[str], str]) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    objects: list[tuple[str, int, float]] = []
    problem, partial = "", False
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            objects += [
                (each["Key"], each["Size"], each["LastModified"].timestamp())
                for each in page.get("Contents", ())
            ]
            partial = len(objects) >= KEYS and page["IsTruncated"]
            if partial:
                break
    except (BotoCoreError, ClientError) as error:
        problem = hidden(str(error))
    newest = sorted(objects, key=lambda each: each[2], reverse=True)[:NEWEST]
    return {
        "name": name,
        "title": title,
        "problem": problem,
        "partial": partial,
        "count": len(objects),
        "bytes": sum(size for _, size, _ in objects),
        "newest": [{"key": k, "size": size, "modified": at} for k, size, at in newest],
        "objects": objects,
    }


@dataclass
class Publisher:
    """Tells the dashboard of one platform, each part when its time has come."""

    mode: Mode
    ctx: Context
    where: Endpoints
    hidden: Callable[[str], str]
    due: dict[str, float] = field(default_factory=lambda: dict.fromkeys(EVERY, 0.0))

    def look(self, part: str) -> Facts:
        """Return one part as it is now."""
        mode, ctx = self.mode, self.ctx
        if part == "services":
            return services(mode.status(ctx))
        if part == "logs":
            return logs(mode, ctx, self.hidden)
        if part == "buckets":
            return buckets(self.where, ctx.settings.s3_backend, self.hidden)
        if part == "report":
            return report(mode, ctx, self.hidden)
        from habari_local.commands.why import diagnosed

        return diagnosis(diagnosed(mode, ctx).as_json(), self.hidden)

    def round(self) -> int:
        """Tell what is due; return the last status that the dashboard answered with."""
        status = 204
        for part, at in self.due.items():
            began = time.monotonic()
            if began < at:
                continue
            facts = self.look(part)
            if facts:
                status = publish(self.where, facts)
                if status != 204:
                    self.due = dict.fromkeys(EVERY, 0.0)  # it may have begun anew
                    return status
            now = time.monotonic()
            self.due[part] = now + max(EVERY[part], COST * (now - began))
        return status


def follow(mode: Mode, ctx: Context, open_page: Callable[[], str]) -> Iterator[str]:
    """Tell the dashboard again and again, until Ctrl-C or `down`; yield what a person should know.

    Raises:
        HabariError: it is not there, or does not take what it is told.
    """
    from habari_local import active_mode
    from habari_local.core.polling import pause

    publisher = Publisher(mode, ctx, mode.endpoints(ctx), _redaction(ctx))
    silent = False
    first = True
    while active_mode.active_mode(ctx.checkout) == mode.name:
        try:
            status = publisher.round()
        except HabariError as error:  # Docker or the cluster does not answer: the page shows it
            status = 0
            problem = error.message
        else:
            problem = "the dashboard does not answer"
        if status in {400, 403, 404, 413}:
            raise HabariError(
                f"Dashboard: it does not take what it is told (answered {status}); the hub that"
                " runs is not this checkout's.",
                "habari-local up",
                NOT_READY,
            )
        if first:
            yield open_page()
            yield "What this machine knows is on the page until Ctrl-C."
        good = status == 204
        if silent != (not good):
            yield "The dashboard is told again." if good else f"Trying again: {problem}."
        silent, first = not good, False
        pause(PAUSE)
    yield f"Mode {mode.name} is down."
