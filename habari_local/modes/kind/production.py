"""Production's values, judged while a cluster comes up on them.

The overlay replaces limits, images, ingress and more, so that a cluster which runs says nothing of
production's own. Both are evaluated: production's values as they are, and with the overlay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from habari_local.config.secrets import write_private
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import USAGE, HabariError
from habari_local.core.paths import code_checkout
from habari_local.helm_values.chart import open_chart, production_values
from habari_local.helm_values.evaluate import NotEvaluated, evaluator_of, means
from habari_local.helm_values.validate import LOCKS, unable, validate
from habari_local.helm_values.values import Violation
from habari_local.modes.kind.extra_manifests import deployment
from habari_local.modes.kind.platform import NAME, KindPlatform
from habari_local.platform.helm import production
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

FILE = "production.json"  # the last verdict, and the hash of what it was of
SHOWN = 10  # problems that `up` names; `config check` has all
CHECK = "habari-local config check"
# Imports what a ConfigMap beside the chart has: it loads in the hub's pod alone.
IN_POD = [("hub", "extraConfig", "dashboard")]


@dataclass(frozen=True)
class Verdict:
    """What is wrong: in production, and here as well; why that was not evaluated, if so."""

    production: Sequence[str]
    here: Sequence[str]
    unjudged: str = ""


def is_configured(root: Path) -> bool:
    """Whether there are values of production: what they are copied from has only placeholders."""
    return production_values(root).name == "config.yaml"


def judged(platform: KindPlatform, after: tuple[str, ...], note: Callable[[str], None]) -> Step:
    """Return the step that judges production's values, unless these were judged before.

    What breaks this cluster as well is an error; what production alone would not do is noted.
    """

    def action(ctx: Context, say: Progress) -> str:
        file = ctx.checkout.of_mode(NAME) / FILE
        values = _values(platform)  # once: what is edited meanwhile is judged by the next `up`
        found = _kept(file, _inputs(platform, values))
        known = found is not None
        if found is None:
            say("evaluating production's values, and with them the overlay")
            found, lasting = _judge(platform)
            if lasting:
                # The loader's packages may have been installed for it.
                told = {"inputs": _inputs(platform, values), **asdict(found)}
                write_private(file, json.dumps(told, indent=1))
        if found.here:
            raise HabariError(
                f"Values of production: {_count(found.here)} found that the local overlay does not"
                " replace.",
                CHECK,
                USAGE,
                [f"- {each}" for each in found.here],
            )
        for text in _notes(found):
            note(text)
        return UNCHANGED if known else f"{_count(found.production) or 'no problems'} found"

    return Step("production", "production's values", action, after, changes=False)


def _judge(platform: KindPlatform) -> tuple[Verdict, bool]:
    """Return the verdict, and whether it is worth keeping: another try would give the same."""
    ctx, root = platform.ctx, platform.ctx.checkout.root
    of = deployment(platform)
    chart, hidden = open_chart(of.chart), production.wanted(ctx.settings)
    with atomic_dir(ctx.checkout.of_mode(NAME)) as folder:
        secret = dict.fromkeys(hidden, production.HIDDEN)
        files = [*production.files(root), *production.of_environment(folder, secret)]
        try:
            evaluator = evaluator_of(chart, platform.environ, ctx.cancel)
        except NotEvaluated as error:
            found = validate(files, root, chart, root)
            return Verdict(_told(ctx, found), (), error.message.rstrip(".")), True
        with evaluator:
            found = validate(files, root, chart, root, evaluator)
            try:
                here = _as_found(unable(of.values, IN_POD, root, evaluator), found)
            except NotEvaluated as error:
                return Verdict(_told(ctx, found), (), error.message.rstrip(".")), False
    return Verdict(_told(ctx, found), _told(ctx, here)), True


def _as_found(here: Sequence[Violation], found: Sequence[Violation]) -> list[Violation]:
    """Return what is wrong here, where production's own file has it if it is the same there."""
    own = {replace(each, file="", line=0): each for each in found}
    return [own.get(replace(each, file="", line=0), each) for each in here]


def _told(ctx: Context, found: Sequence[Violation]) -> list[str]:
    """Return in words what is wrong and not waived."""
    waived = ctx.settings.waived_rules
    return [str(each) for each in found if not each.warning and each.rule not in waived]


def _inputs(platform: KindPlatform, values: str = "") -> str:
    """Return hashes of all that a verdict depends on; `values` is that of `_values`, if known."""
    return f"{values or _values(platform)} {means(code_checkout())}"


def _values(platform: KindPlatform) -> str:
    """Return the hash of the values, of the chart, and of what says how they are judged."""
    ctx, root = platform.ctx, platform.ctx.checkout.root
    settings = (sorted(production.wanted(ctx.settings)), sorted(ctx.settings.waived_rules))
    seen = hashlib.sha256(json.dumps(settings).encode())
    seen.update(deployment(platform).digest.encode())
    for path in [*production.files(root), *(root / name for name in LOCKS)]:
        seen.update(b"\0" + path.name.encode() + b"\0")
        seen.update(path.read_bytes() if path.is_file() else b"")
    return seen.hexdigest()


def _kept(file: Path, inputs: str) -> Verdict | None:
    """Return the verdict on the same inputs, if that was the last one."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found.pop("inputs") != inputs:
            return None
        return Verdict(**found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none yet, or of another version


def _notes(found: Verdict) -> list[str]:
    """Return what people are told when the cluster is up."""
    notes = []
    if found.production:
        problems, more = found.production[:SHOWN], found.production[SHOWN:]
        head = (
            f"production's values: {_count(found.production)} found, which the overlay hides here"
        )
        rest = [f"and {len(more)} more"] if more else []
        notes.append("\n".join([head, *(f"- {e}" for e in [*problems, *rest]), f"Try: {CHECK}"]))
    if found.unjudged:
        notes.append(f"production's values were not evaluated: {found.unjudged}. Try: {CHECK}")
    return notes


def _count(found: Sequence[str]) -> str:
    return f"{len(found)} problem{'s' if len(found) != 1 else ''}" if found else ""
