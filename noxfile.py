"""The checks: `nox` runs all that this machine can run; each session alone: `nox -s NAME`.

Everything runs in the environment that `uv run` made from uv.lock, but for the tests of the
components, which run in an environment of the component's own lock plus its test tools.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

from habari_local import modes
from habari_local.drivers import uv
from habari_local.errors import CommandFailed
from habari_local.paths import find_checkout
from tests.able import missing

ROOT = Path(__file__).parent
nox.options.sessions = [
    *("lint", "scan", "unit", "components", "contract", "images", "charts", "faults", "e2e")
]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False
nox.options.stop_on_first_error = False

# Component → its lock with test tools, its tests, the folder that holds its package.
COMPONENTS = {
    "hub": ("hub/requirements-test.txt", "hub/tests", "hub"),
    "contents": (
        "jupyter/requirements-test.txt",
        "jupyter/habari_contents/tests",
        "jupyter/habari_contents",
    ),
    "s3": ("images/s3/requirements-test.txt", "images/s3/tests", "images/s3"),
}

# What `compare` installs beside ours, in no lock of this repository.
OTHERS = {
    "s3contents": ["s3contents==0.13.*", "hybridcontents==0.4.*", "jupyterlab==4.6.*"],
    "jupyter-fs": ["jupyter-fs==1.2.1", "s3fs", "jupyterlab==4.6.*"],
}

# LocalStack 4.14.0 needs it, whatever its metadata says.
NEWER = "3.13"


def python(session: nox.Session, *arguments: str, **environ: str) -> None:
    """Run a module with the Python that runs nox."""
    session.run(sys.executable, "-m", *arguments, env=environ, external=True)


def pytest_arguments(session: nox.Session) -> list[str]:
    """Return the arguments meant for pytest: without those of the end-to-end suite."""
    return [each for each in session.posargs if each != "--strict"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layers and conventions."""
    python(session, "ruff", "check")
    python(session, "ruff", "format", "--check")
    python(session, "mypy")
    session.run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", external=True)


@nox.session
def scan(session: nox.Session) -> None:
    """Secrets in the history, SBOMs; `-- --weaknesses` asks PyPI, npm and OSV about every lock."""
    python(session, "scan", *pytest_arguments(session))


@nox.session
def unit(session: nox.Session) -> None:
    """Tests of single parts."""
    python(session, "pytest", "tests/unit", *pytest_arguments(session))


def component_python(session: nox.Session, component: str) -> str:
    """Return the Python of a component's test environment, which is made from its lock."""
    folder = find_checkout().environments / f"test-{component}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv.sync(folder, ROOT / COMPONENTS[component][0], os.environ, on_line=session.log)
    return str(folder / "bin" / "python")


@nox.session
@nox.parametrize("component", list(COMPONENTS))
def components(session: nox.Session, component: str) -> None:
    """Tests of hub, contents manager and S3 service, each in its own environment."""
    _, tests, package = COMPONENTS[component]
    program = component_python(session, component)
    environment = {"PYTHONPATH": str(ROOT / package)}
    arguments = [program, "-m", "pytest", tests, *pytest_arguments(session)]
    session.run(*arguments, env=environment, external=True)
    checked = {"hub": "habari_hub", "contents": "habari_contents", "s3": "habari_s3"}[component]
    source = str(Path(package) / checked)
    types = ("mypy", "--strict", "--python-executable", program, source)
    python(session, *types, MYPYPATH=package)


@nox.session
@nox.parametrize("store", ["moto", "localstack", "versitygw"])
def matrix(session: nox.Session, store: str) -> None:
    """Tests of the contents manager against each S3; TESTS_VERSITYGW is that one's program."""
    environment = {"PYTHONPATH": str(ROOT / COMPONENTS["contents"][2]), "TESTS_S3": store}
    if store == "versitygw" and not os.environ.get("TESTS_VERSITYGW"):
        session.skip("TESTS_VERSITYGW is not set: go install of it is in the package's README")
    if store == "localstack":
        folder = find_checkout().environments / "s3-localstack"
        try:
            uv.sync(
                folder, ROOT / "images/s3/requirements-localstack.txt", os.environ, python=NEWER
            )
        except CommandFailed as error:
            session.skip(f"no environment of LocalStack: {error}")
        environment["TESTS_LOCALSTACK"] = str(folder / "bin" / "python")
    arguments = [COMPONENTS["contents"][1], *pytest_arguments(session)]
    program = component_python(session, "contents")
    session.run(program, "-m", "pytest", *arguments, env=environment, external=True)


@nox.session
def compare(session: nox.Session) -> None:
    """The contents manager beside others of the field; some minutes, and a quiet machine."""
    program = component_python(session, "contents")
    environment = {"PYTHONPATH": "."}
    for name, packages in OTHERS.items():
        folder = find_checkout().environments / f"compare-{name}"
        make = ("uv", "venv", "--quiet", "--no-project", "--clear", "--python", "3.12")
        session.run(*make, str(folder), external=True)
        inside = str(folder / "bin" / "python")
        install = ("uv", "pip", "install", "--quiet", "--python", inside)
        session.run(*install, *packages, external=True)
        environment[f"COMPARE_{name.upper().replace('-', '_')}"] = inside
    with session.chdir(COMPONENTS["contents"][2]):
        session.run(program, "-m", "compare", env=environment, external=True)


@nox.session
def contract(session: nox.Session) -> None:
    """What every mode must do."""
    python(session, "pytest", "tests/contract", *pytest_arguments(session))


@nox.session
def rehearsals(session: nox.Session) -> None:
    """What takes too long for CI, in a cluster of others; needs what mode kind does."""
    python(session, "pytest", "tests/rehearsals", *pytest_arguments(session))


@nox.session
def images(session: nox.Session) -> None:
    """Every image, built from packages and looked at; needs Docker."""
    if shutil.which("docker") is None:
        session.skip("no Docker here; what to install: habari-local doctor --mode hub")
    packages = ("--set", "HABARI_IMAGES=packages")
    python(session, "habari_local", "image", "build", *packages)
    python(session, "pytest", "tests/images", *pytest_arguments(session))


@nox.session
def charts(session: nox.Session) -> None:
    """What Habari relies on of the chart: kept by our double, and by the one of HABARI_CHART."""
    python(session, "pytest", "tests/charts", *pytest_arguments(session))


@nox.session
def faults(session: nox.Session) -> None:
    """Things that go wrong, injected for real: `nox -s faults -- [--row N] [--mode M] [--all]`."""
    arguments = pytest_arguments(session)
    for option in ("--row", "--mode"):
        while option in arguments:  # pytest would take the value for a path
            place = arguments.index(option)
            arguments[place : place + 2] = [f"{option}={arguments[place + 1]}"]
    python(session, "pytest", "tests/faults", *arguments)


def chosen_modes(session: nox.Session, arguments: list[str]) -> list[str]:
    """Take `--mode MODE|all` out of the arguments; without it, each that this machine can run."""
    wanted = ""
    if "--mode" in arguments:
        place = arguments.index("--mode")
        wanted = arguments[place + 1]
        del arguments[place : place + 2]
    if wanted not in ("", "all"):
        return [wanted]
    able = []
    for mode in modes.names():
        lacking = missing(mode) if wanted == "" else None
        if lacking:
            session.log(f"Mode {mode} can't run here: {lacking}")
        else:
            able.append(mode)
    return able


@nox.session
def soak(session: nox.Session) -> None:
    """Half an hour of `drill save`: `nox -s soak -- [--mode MODE] [--seconds N] [...]`.

    Without a mode, first as long of the contents manager's machine of random operations.
    """
    arguments = list(session.posargs)
    if "--seconds" not in arguments:
        arguments = ["--seconds", "1800", *arguments]
    if "--mode" not in arguments:
        _, tests, package = COMPONENTS["contents"]
        seconds = arguments[arguments.index("--seconds") + 1]
        session.run(
            *(component_python(session, "contents"), "-m", "pytest", f"{tests}/test_machine.py"),
            env={"PYTHONPATH": str(ROOT / package), "TESTS_SOAK_SECONDS": seconds},
            external=True,
        )
    people = "HABARI_ALLOWED_USERS=u1,u2,u3,u4,u5"
    for mode in chosen_modes(session, arguments):
        python(session, "habari_local", "up", "--mode", mode, "--set", people)
        try:
            python(session, "habari_local", "drill", "save", *arguments)
        finally:
            python(session, "habari_local", "down")


@nox.session
def e2e(session: nox.Session) -> None:
    """The end-to-end suite: `nox -s e2e -- [--mode MODE|all] [--strict] [pytest arguments]`.

    Without a mode it runs in each that this machine can run.
    """
    arguments = list(session.posargs)
    strict = ["--strict"] if "--strict" in arguments else []
    chosen = chosen_modes(session, arguments)
    plain = [each for each in arguments if each != "--strict"]
    for mode in chosen:
        if shutil.which("chromium") is None:
            session.log("No browser here; the tests in one are skipped: apt-get install chromium")
        python(session, "habari_local", "e2e", "--mode", mode, *strict, "--", *plain)


@nox.session
def dist(session: nox.Session) -> None:
    """Write the files that are generated from the settings and from the command line."""
    python(session, "habari_local.config.render.dist")
    session.run(sys.executable, "docs/generate.py", external=True)


@nox.session
def lock(session: nox.Session) -> None:
    """Compile every lock again from what it is made of (`-- --upgrade` for newer versions)."""
    session.run("uv", "lock", external=True)
    for source in sorted(
        [*ROOT.glob("*/requirements*.in"), *ROOT.glob("images/*/requirements*.in")]
    ):
        version = NEWER if "localstack" in source.name else "3.11"
        with session.chdir(source.parent):
            session.run(
                *("uv", "pip", "compile", "--universal", "--python-version", version),
                *("--generate-hashes", "--no-annotate", "--excludes", "excludes.txt", "--quiet"),
                *(source.name, "-o", source.with_suffix(".txt").name, *session.posargs),
                external=True,
            )


@nox.session
def load(session: nox.Session) -> None:
    """Many people at once: `nox -s load -- [--mode MODE] [--users N] [--print]`."""
    session.run(sys.executable, "-m", "bench.load", *session.posargs, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Times and memory beside the same parts started by hand; a table and a plot."""
    session.run(sys.executable, "-m", "bench", *session.posargs, external=True)
    lacking = missing("hub") or missing("nohub")
    if lacking:
        session.log(f"The modes in Docker are not measured: {lacking}")
        return
    session.run(sys.executable, "-m", "bench.compose", external=True)
    if os.environ.get("HABARI_IMAGES") == "packages":
        cold = ["--cold"] if "--cold" in session.posargs else []
        session.run(sys.executable, "-m", "bench.images", *cold, external=True)
    lacking = missing("kind")
    if lacking:
        session.log(f"Mode kind is not measured: {lacking}")
        return
    session.run(sys.executable, "-m", "bench.kind", "--suite", external=True)
    session.run(sys.executable, "-m", "bench.production", external=True)
