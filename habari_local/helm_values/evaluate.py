"""Production's values as they act: rendered by helm, loaded by JupyterHub in a confined process.

What is executed, and how it is confined: docs/explanation/how-productions-values-are-judged.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.config.secrets import write_private
from habari_local.core.errors import CommandFailed, HabariError, MissingTool, NotReady
from habari_local.core.paths import Checkout, code_checkout
from habari_local.core.subprocesses import LineServer
from habari_local.drivers import helm, uv
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.rendered_diff import KUBERNETES, NAME, NAMESPACE
from habari_local.helm_values.values import (
    Data,
    Place,
    Values,
    at,
    merge_layers,
    merge_over_defaults,
)

LOCK = "hub/requirements-k8s-hub.txt"
LOADER = "habari_evaluation"
START = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]);"
    f" runpy.run_module('{LOADER}', run_name='__main__')"
)
SECONDS = 60.0
ENCRYPTED = "ENC[AES256_GCM,"  # a value by sops
# helm on a template that failed: `<.Values.hub.db.pvc.storage>: nil pointer evaluating …`.
# Helm 4 says the reason on a line of its own.
TEMPLATE = re.compile(r"<[^<>]*?(?:\.Values\.|\$)([a-z][\w.]*)[^<>]*>:\s+(.*)")
REFUSED = re.compile(r"execution error at \([^()]*\):(.*?)(?:\n\nUse --debug|\Z)", re.S)  # `fail`
UPGRADED = re.compile(r"^(?:CHANGED|RENAMED|REMOVED|CHANGE): *", re.M)
NOT_YAML = re.compile(r"YAML parse error on (\S+)")
READ = re.compile(r"nil pointer evaluating interface \{\}\.(\w+)")


class NotEvaluated(HabariError):
    """The values could not be evaluated here: no helm, no environment, or no answer in time."""


@dataclass(frozen=True)
class Evaluation:
    """What production would be: JSON as `hub/habari_evaluation` writes it, and the values.

    `found` has `failures` (what keeps the hub or a server from starting), and, as far as it got,
    `authenticator`, `spawner` (class, bases, traits), `hub`, `proxy` (traits that are set),
    `services`, `roles`, `sign_in` (who is let in), `pods` (one for each choice of a user),
    `origins` (lines of extraConfig that set a trait) and `manifests` (what is rendered, secrets
    left out).
    """

    found: Mapping[str, Any]
    data: Data  # the values as they were given
    whole: Data  # over the chart's own

    def get(self, *place: str | int, default: Any = None) -> Any:
        """Return what was found at a place, or `default`."""
        return at(self.found, place, default)

    @property
    def failures(self) -> list[Data]:
        """What keeps the hub or a server from starting; each with stage, error and message."""
        return list(self.found.get("failures") or ())

    @property
    def manifests(self) -> list[Data]:
        """The objects that are rendered; Secrets and ConfigMaps without what they hold."""
        return list(self.found.get("manifests") or ())


class Evaluator:
    """Evaluates values of one chart; the hub's Python is started once, and forks for each.

    Args:
        chart: that is rendered.
        environ: helm's environment.
        code: the checkout whose loader and lock are used.
        environments: the folder of component environments.
        cancel: set when somebody asks to stop.
    """

    def __init__(
        self,
        chart: Chart,
        environ: Mapping[str, str],
        code: Path,
        environments: Path,
        cancel: threading.Event | None = None,
    ) -> None:
        self.chart = chart
        self._environ = environ
        self._code = code
        self._cancel = cancel
        lock = code / LOCK
        self._environment = environments / f"k8s-hub-{uv.digest(lock)[:10]}"
        self._hub: LineServer | None = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        if self._hub:
            self._hub.close()
        self._hub = None

    def prepare(self) -> None:
        """Make the environment, where it is not there yet (half a minute, once), and start Python.

        Raises:
            NotEvaluated: helm or the environment can't be had.
            Cancelled: `cancel` was set.
        """
        try:
            helm.program(self._environ)
            self._environment.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._code / LOCK
            uv.sync(self._environment, lock, self._environ, cancel=self._cancel)
        except (CommandFailed, MissingTool) as error:
            raise NotEvaluated(error.message, error.hint) from error
        self._started()  # it loads its packages while the values are read

    def evaluate(self, layers: Sequence[Values]) -> Evaluation:
        """Return what values (later wins) make of the chart.

        Raises:
            NotEvaluated: the process that loads them gave no answer in time.
            Cancelled: `cancel` was set.
        """
        hub = self._started()
        data = _opened(merge_layers([each.data for each in layers]))
        whole = merge_over_defaults(self.chart.defaults(), data)
        with tempfile.TemporaryDirectory(prefix="habari-evaluation-") as name:
            folder = Path(name).resolve()
            values = folder / "values.json"
            write_private(values, json.dumps(data, ensure_ascii=False))  # no surrogates: it is YAML
            try:
                rendered = self._render(values)
            except CommandFailed as error:
                return Evaluation({"failures": _template_failures(error.output)}, data, whole)
            return Evaluation(self._load(hub, folder, rendered), data, whole)

    def _started(self) -> LineServer:
        if self._hub is None:
            python = str(uv.interpreter(self._environment))
            argv = [python, "-I", "-c", START, str(self._code / "hub")]
            self._hub = LineServer(argv, {"PATH": "/usr/bin:/bin"}, Path("/"))
        return self._hub

    def _render(self, values: Path) -> str:
        return helm.template(
            self.chart.path,
            [values],
            self._environ,
            name=NAME,
            namespace=NAMESPACE,
            kubernetes=KUBERNETES,
            schema=False,
        )

    def _load(self, hub: LineServer, folder: Path, rendered: str) -> Data:
        manifests, result = folder / "manifests.yaml", folder / "result.json"
        write_private(manifests, rendered)
        home = self._environ.get("HOME", "")
        job = {
            "rendered": str(manifests),
            "folder": str(folder),
            "hidden": [each for each in {home, "/root", "/home"} if each not in ("", "/")],
            "result": str(result),
        }
        try:
            status = hub.ask(json.dumps(job), SECONDS, self._cancel)
        except NotReady:
            self._hub = None
            says = f"it was still loading after {SECONDS:.0f} s"
            failed = {"stage": "limits", "error": "", "message": says, "where": None}
            return {"failures": [failed]}
        if not result.is_file():
            says = f"its process ended with {status or 'no word'}"
            return {"failures": [{"stage": "limits", "error": "", "message": says, "where": None}]}
        found: Data = json.loads(result.read_text(encoding="utf-8"))
        return found


def evaluator_of(
    chart: Chart, environ: Mapping[str, str], cancel: threading.Event | None = None
) -> Evaluator:
    """Return what evaluates values of a chart with the loader of this checkout, ready to.

    Raises:
        NotEvaluated: the running code was installed without one, or `prepare` can't be done.
        Cancelled: `cancel` was set.
    """
    code = code_checkout()
    if code is None:
        raise NotEvaluated(
            "That takes a checkout of Habari local.", "habari-local config check --no-evaluate"
        )
    found = Evaluator(chart, environ, code, Checkout(code).environments, cancel)
    found.prepare()
    return found


def means(code: Path | None) -> str:
    """Return the hash of what evaluates: the loader of a checkout, the rules, what is installed."""
    files = [*Path(__file__).parent.rglob("*.py")]
    files += [*(code / "hub" / LOADER).glob("*.py"), code / LOCK] if code else []
    seen = hashlib.sha256()
    for path in sorted(each for each in files if each.is_file()):
        seen.update(path.name.encode() + b"\0" + path.read_bytes())
    if code:
        lock = code / LOCK
        folder = Checkout(code).environments / f"k8s-hub-{uv.digest(lock)[:10]}"
        seen.update(b"installed" if uv.is_synced(folder, lock) else b"")
    return seen.hexdigest()


def _opened(node: Any) -> Any:
    """Return values with something made up for what sops encrypted: 32 bytes, as most keys are."""
    if isinstance(node, dict):
        return {key: _opened(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_opened(value) for value in node]
    return "5e" * 32 if isinstance(node, str) and node.startswith(ENCRYPTED) else node


def _template_failures(output: str) -> list[Data]:
    """Return what helm says of templates that it can't render: the chart's own words, or a place.

    What the chart itself refuses has no values in it; of helm's own words none is taken, but as
    `about`, to look for the place of.
    """
    refused = REFUSED.search(output)
    if not refused:
        return [_template_failure(output)]
    lines = [line.strip() for line in refused[1].splitlines()]
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    parts = [part.replace("\n", " ").rstrip(".! ") for part in UPGRADED.split(text) if part.strip()]
    return [_not_rendered(part, ()) for part in parts] or [_template_failure(output)]


def _not_rendered(says: str, place: Place) -> Data:
    return {"stage": "template", "error": "", "message": says, "place": list(place), "where": None}


def _template_failure(output: str) -> Data:
    """Return what helm says of a template that it can't render: the place, not the value."""
    found = TEMPLATE.search(output)
    place: Place = tuple(found[1].split(".")) if found else ()
    reason = found[2] if found else output.strip().rpartition(">: ")[2]
    read = READ.search(reason)
    place = place[:-1] if read and place[-1:] == (read[1],) else place
    says = f"empty, and the chart reads {read[1]} in it" if read else ""
    broken = NOT_YAML.search(output)
    if broken and not says:
        says = f"with these values {broken[1]} is no YAML"
    if not says and "range can't iterate over" in reason:
        says = "a list or a map was expected"
    return _not_rendered(says, place) | {"about": "" if place else reason}
