"""The checks: `nox` runs all that this machine can run; each session alone: `nox -s NAME`.

`nox` alone is the session `all`, which runs the others, several at once (tests/run_all.py).
Everything runs in the environment that `uv run` made from uv.lock, but for the tests of the
components, which run in an environment of the component's own lock plus its test tools.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

from habari_local.core.errors import CommandFailed
from habari_local.core.paths import Checkout, private_folder
from habari_local.core.versions import pinned
from habari_local.drivers import uv
from tests.runnable_modes import chosen, missing

ROOT = Path(__file__).resolve().parent
nox.options.sessions = ["all"]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False
nox.options.stop_on_first_error = False

CONTENTS = "jupyter/habari_contents"
# Component → its lock with test tools, its tests, the folder that holds its package.
COMPONENTS = {
    "hub": ("hub/requirements-test.txt", "hub/tests", "hub"),
    "contents": ("jupyter/requirements-test.txt", f"{CONTENTS}/tests", CONTENTS),
    "s3": ("images/s3/requirements-test.txt", "images/s3/tests", "images/s3"),
}
# What production runs of the hub, on the versions and the Python that the chart's image has.
K8S_HUB = ("hub/requirements-test-k8s-hub.txt", pinned("python", "k8s-hub"))
K8S_HUB_TESTS = tuple(
    f"hub/tests/test_{name}.py" for name in ("lists", "kube_spawner", "production_proxy")
)

ACTIONLINT = "1.7.12"
# What asks helm, and no cluster that is a real one.
HELM_TESTS = (
    "tests/unit/test_helm.py",
    "tests/unit/test_api_answers.py",
    "tests/charts/test_contract.py",
    "tests/charts/test_evaluation.py",
    "tests/charts/test_sign_in.py",
)


def python(session: nox.Session, *arguments: str, **environ: str) -> None:
    """Run a module with the Python that runs nox."""
    session.run(sys.executable, "-m", *arguments, env=environ, external=True)


def pytest_arguments(session: nox.Session) -> list[str]:
    """Return the arguments meant for pytest: without those of the end-to-end suite."""
    return [each for each in session.posargs if each != "--strict"]


def actionlint(session: nox.Session) -> None:
    """Check the workflows; the program comes as a Go module, and from no index of Python's."""
    folder = private_folder(ROOT / ".habari" / "tools" / f"actionlint-{ACTIONLINT}")
    program = folder / "actionlint"
    if not program.exists():
        if shutil.which("go") is None:
            session.log("actionlint was not run: it wants Go, and there is none here")
            return
        module = f"github.com/rhysd/actionlint/cmd/actionlint@v{ACTIONLINT}"
        session.run("go", "install", module, env={"GOBIN": str(folder)}, external=True)
    session.run(str(program), "-shellcheck=", "-pyflakes=", external=True)


def with_helm_4(session: nox.Session) -> None:
    """Run what asks helm with Helm 4, built from its module: some minutes that CI does not have."""
    version = pinned("kubernetes", "helm-4")
    if shutil.which("go") is None:
        session.log("Helm 4 was not tried: it wants Go, and there is none here")
        return
    folder = private_folder(ROOT / ".habari" / "tools" / f"helm-{version}")
    if not (folder / "helm").exists():
        stamp = f"-s -w -X helm.sh/helm/v4/internal/version.version=v{version}"
        module = f"helm.sh/helm/v4/cmd/helm@v{version}"
        build = {"GOBIN": str(folder), "CGO_ENABLED": "0"}
        session.run("go", "install", "-ldflags", stamp, module, env=build, external=True)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    python(session, "pytest", "--timeout=600", *HELM_TESTS, PATH=path)


def dead_code(session: nox.Session) -> None:
    """Fail where vulture finds code that nothing uses."""
    vulture = str(Path(sys.executable).with_name("vulture"))
    found = session.run(vulture, external=True, silent=True, success_codes=[0, 3])
    # An attribute that is only set is a trait of JupyterHub or another library's.
    dead = [line for line in str(found or "").splitlines() if ": unused attribute" not in line]
    if dead:
        session.error("\n".join(["Nothing uses:", *dead]))


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """All that CI runs, several sessions at once: `nox -- [--strict] [--jobs N]`."""
    python(session, "tests.run_all", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layers, dead code, conventions, and the workflows."""
    python(session, "ruff", "check")
    python(session, "ruff", "format", "--check")
    python(session, "mypy")
    session.run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", external=True)
    dead_code(session)
    zizmor = str(Path(sys.executable).with_name("zizmor"))
    options = ("--offline", "--quiet", "--no-progress", "--min-severity=medium")
    session.run(zizmor, *options, ".github", "action.yml", external=True)
    actionlint(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in .habari/site; a link that leads nowhere fails."""
    zensical = str(Path(sys.executable).with_name("zensical"))
    session.run(zensical, "build", "--strict", "--clean", external=True)


@nox.session
def scan(session: nox.Session) -> None:
    """Secrets in the history, SBOMs; `-- --vulnerabilities` asks PyPI, npm and OSV."""
    python(session, "scan", *pytest_arguments(session))


@nox.session
def unit(session: nox.Session) -> None:
    """Tests of single parts."""
    python(session, "pytest", "tests/unit", *pytest_arguments(session))


def component_python(session: nox.Session, component: str) -> str:
    """Return the Python of a component's test environment, which is made from its lock."""
    folder = Checkout(ROOT).environments / f"test-{component}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv.sync(folder, ROOT / COMPONENTS[component][0], os.environ, on_line=session.log)
    return str(folder / "bin" / "python")


def component_pytest(session: nox.Session, component: str, *arguments: str, **environ: str) -> str:
    """Run pytest in a component's test environment; return that one's Python."""
    program = component_python(session, component)
    package = str(ROOT / COMPONENTS[component][2])
    found = {"PYTHONPATH": package, "TESTS_UV": uv.program(os.environ), **environ}
    session.run(program, "-m", "pytest", *arguments, env=found, external=True)
    return program


@nox.session
@nox.parametrize("component", list(COMPONENTS))
def components(session: nox.Session, component: str) -> None:
    """Tests of hub, contents manager and S3 service, each in its own environment."""
    _, tests, package = COMPONENTS[component]
    program = component_pytest(session, component, tests, *pytest_arguments(session))
    checked = {
        "hub": ("habari_hub", "habari_dashboard", "habari_evaluation"),
        "contents": ("habari_contents",),
        "s3": ("habari_s3",),
    }[component]
    sources = (str(Path(package) / each) for each in checked)
    types = ("mypy", "--strict", "--python-executable", program, *sources)
    python(session, *types, MYPYPATH=package)


@nox.session
def production_hub(session: nox.Session) -> None:
    """Tests of what production's hub runs, on the versions that its image k8s-hub has."""
    lock, version = K8S_HUB
    folder = Checkout(ROOT).environments / "test-k8s-hub"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # pyenv hides all versions but the one that is chosen.
    environ = {"PYENV_VERSION": version, **os.environ}
    try:
        uv.sync(folder, ROOT / lock, environ, python=version, on_line=session.log)
    except CommandFailed:
        session.warn(f"no Python {version} here: its packages run on that of this environment")
        uv.sync(folder, ROOT / lock, environ, on_line=session.log)
    arguments = (*K8S_HUB_TESTS, *pytest_arguments(session))
    program = str(folder / "bin" / "python")
    session.run(program, "-m", "pytest", *arguments, env={"PYTHONPATH": "hub"}, external=True)


@nox.session
@nox.parametrize("store", ["moto", "localstack", "versitygw"])
def matrix(session: nox.Session, store: str) -> None:
    """Tests of the contents manager against each S3; TESTS_VERSITYGW is that one's program."""
    given = {"TESTS_S3": store}
    if store == "versitygw" and not os.environ.get("TESTS_VERSITYGW"):
        session.skip("TESTS_VERSITYGW is not set: go install of it is in the package's README")
    if store == "localstack":
        folder = Checkout(ROOT).environments / "s3-localstack"
        needed = ROOT / "images/s3/requirements-localstack.txt"
        try:
            uv.sync(folder, needed, os.environ, python=pinned("python", "localstack"))
        except CommandFailed as error:
            session.skip(f"no environment of LocalStack: {error}")
        given["TESTS_LOCALSTACK"] = str(folder / "bin" / "python")
    tests = (f"{CONTENTS}/tests", *pytest_arguments(session))
    component_pytest(session, "contents", *tests, **given)


@nox.session
@nox.parametrize("versions", ["lowest-direct", "highest"])
def strangers(session: nox.Session, versions: str) -> None:
    """Tests of the contents manager as others have it: lowest and newest versions, no lock."""
    folder = Checkout(ROOT).environments / f"strangers-{versions}"
    inside, program = str(folder / "bin" / "python"), uv.program(os.environ)
    make = ("venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, str(folder))
    session.run(program, *make, external=True)
    into = ("pip", "install", "--quiet", "--python", inside)
    package = str(ROOT / CONTENTS)
    session.run(program, *into, "--resolution", versions, package, external=True)
    frozen = session.run(program, "pip", "freeze", "--python", inside, silent=True, external=True)
    keep = folder / "constraints.txt"
    lines = [line for line in str(frozen).splitlines() if "==" in line]
    keep.write_text("\n".join(lines), encoding="utf-8")
    tools = ["boto3", "hatchling", "hypothesis", "ipykernel", "moto[server]>=5.2", "pip"]
    tools += ["psutil", "pytest>=9", "pytest-timeout", "requests"]
    beside = ["jupyter-collaboration", "jupyter-server-fileid"] if versions == "highest" else []
    session.run(program, *into, "-c", str(keep), *tools, *beside, external=True)
    # Those of the platform's own environment and of jupyter_server's archive have its lock's.
    left = [f"--ignore={CONTENTS}/tests/test_{name}.py" for name in ("upstream", "parts")]
    found = {"PYTHONPATH": package, "TESTS_UV": program, "TESTS_NEWEST": "1"}
    if versions != "highest":
        left.append(f"--ignore={CONTENTS}/tests/test_package.py")
    # What a library of another year deprecates of another one is not ours.
    left += ["-W", "default::DeprecationWarning", "-W", "default::PendingDeprecationWarning"]
    left += ["-W", "default:The `version` property of an event schema:UserWarning"]
    arguments = (f"{CONTENTS}/tests", *left, *pytest_arguments(session))
    session.run(inside, "-m", "pytest", *arguments, env=found, external=True)


@nox.session
def compare(session: nox.Session) -> None:
    """The contents manager beside others of the field: 12 minutes, and a quiet machine."""
    program, folder = component_python(session, "contents"), str(Checkout(ROOT).environments)
    session.chdir(ROOT / CONTENTS)  # its `tests` are meant, not ours
    session.run(program, "-m", "compare", folder, uv.program(os.environ), external=True)
    session.run(program, "-m", "compare.large_folder", external=True)


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
    """Every image, built from packages and looked at; mode nohub on a base like upstream's.

    Needs Docker.
    """
    if shutil.which("docker") is None:
        session.skip("no Docker here; what to install: habari-local doctor --mode hub")
    packages = ("--set", "HABARI_IMAGES=packages")
    python(session, "habari_local", "image", "build", *packages)
    python(session, "pytest", "tests/images", *pytest_arguments(session))
    if pytest_arguments(session):
        return  # somebody looks at a test
    from tests.images.upstream_like import built

    strict = [each for each in session.posargs if each == "--strict"]
    suite = ("habari_local", "e2e", "--mode", "nohub", *strict)
    image = built().reference("notebook")
    python(session, *suite, HABARI_IMAGES="packages", HABARI_NOTEBOOK_IMAGE=image)


@nox.session
def upstream(session: nox.Session) -> None:
    """Upstream's images, pulled and compared with images/upstream.toml; needs their registries."""
    python(session, "pytest", "tests/upstream", *pytest_arguments(session))


@nox.session
def charts(session: nox.Session) -> None:
    """What Habari relies on of the chart: kept by our double, and by the one of HABARI_CHART."""
    python(session, "pytest", "tests/charts", *pytest_arguments(session))


@nox.session
def fresh(session: nox.Session) -> None:
    """The README's commands on Debians with Python and pip alone: `-- -k trixie` for one of them.

    Each takes some minutes, root's rights and mmdebstrap.
    """
    python(session, "pytest", "tests/fresh", "-rP", *pytest_arguments(session))


@nox.session
def slow(session: nox.Session) -> None:
    """The suite in mode process with a tenth of one processor: `-- --percent 25` for more."""
    arguments = list(session.posargs)
    share = arguments[:2] if arguments[:1] == ["--percent"] else []
    suite = (sys.executable, "-m", "habari_local", "e2e", "--mode", "process")
    more = ("--timeout=1800", *arguments[len(share) :])
    python(session, "tests.slow_machine", *share, "--", *suite, "--", *more)


@nox.session
def faults(session: nox.Session) -> None:
    """Things that go wrong, injected for real: `nox -s faults -- [--row N] [--mode M] [--all]`."""
    arguments = pytest_arguments(session)
    for option in ("--row", "--mode"):
        while option in arguments:  # pytest would take the value for a path
            place = arguments.index(option)
            arguments[place : place + 2] = [f"{option}={arguments[place + 1]}"]
    python(session, "pytest", "tests/faults", *arguments)


@nox.session
def soak(session: nox.Session) -> None:
    """Half an hour of `drill save`: `nox -s soak -- [--mode MODE] [--seconds N] [...]`.

    Without a mode, first what asks helm with Helm 4, as long of the contents manager's machine of
    random operations, and 100,000 bodies that Docker's own decoder and the policy before it must
    read alike, and 10,000 mutations of values that `config check` must have a verdict on, and all
    deployments that it must judge rightly; 2,000 folders that must come back as they were, and 60
    killed restores of one that are gone on with, and in each mode ten of a platform; then the fresh
    machines, 200 users at once on a hub with simulated servers, and a state that goes from mode
    process to hub to kind and back.
    """
    arguments = list(session.posargs)
    if "--seconds" not in arguments:
        arguments = ["--seconds", "1800", *arguments]
    if "--mode" not in arguments:
        with_helm_4(session)
        seconds = arguments[arguments.index("--seconds") + 1]
        machine = f"{CONTENTS}/tests/test_machine.py"
        component_pytest(session, "contents", machine, TESTS_SOAK_SECONDS=seconds)
        session.notify("strangers(versions='lowest-direct')")
        session.notify("strangers(versions='highest')")
        decoder = ("tests/unit/test_socket_decoder.py", "--timeout=3600", "-s")
        python(session, "pytest", *decoder, TESTS_SOAK_BODIES="100000")
        values = ("tests/unit/test_values_fuzz.py", "--timeout=3600")
        python(session, "pytest", *values, TESTS_FUZZ_EXAMPLES="5000")  # of values and of text
        deployments = ("tests/charts/test_cases.py", "--timeout=3600")
        python(session, "pytest", *deployments, TESTS_CASES="all")
        entries = ("tests/unit/test_tar_stream.py", "--timeout=3600")
        python(session, "pytest", *entries, TESTS_ODD_EXAMPLES="2000", TESTS_KILLS="60")
        restores = ("tests/faults/test_restore.py", "--all", "--timeout=3600")
        python(session, "pytest", *restores, TESTS_RESTORE_KILLS="10")
        python(session, "pytest", "tests/fresh", "-rP")
        python(session, "bench.load", "--simulated", "--users", "200", "--print")
        moved = ("tests/contract/test_snapshots.py", "-k", "other_modes", "--timeout=3600")
        python(session, "pytest", *moved, TESTS_SNAPSHOT_MODES="hub,kind")
    people = "HABARI_ALLOWED_USERS=u1,u2,u3,u4,u5"
    for mode in chosen(arguments, session.log):
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
    for mode in chosen(arguments, session.log):
        plain = [each for each in arguments if each != "--strict"]
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
    places = ("*", "images/*", "tests/images/*")
    for source in sorted(path for each in places for path in ROOT.glob(f"{each}/requirements*.in")):
        version = pinned("python", "localstack" if "localstack" in source.name else "tool")
        with session.chdir(source.parent):
            session.run(
                *("uv", "pip", "compile", "--universal", "--python-version", version),
                *("--generate-hashes", "--no-annotate", "--excludes", "excludes.txt", "--quiet"),
                *(source.name, "-o", source.with_suffix(".txt").name, *session.posargs),
                external=True,
            )


@nox.session
def load(session: nox.Session) -> None:
    """Many people at once: `nox -s load -- [--mode MODE] [--users N] [--print]`.

    `--simulated`: on a real hub with PostgreSQL, production's values, and servers that are one
    process; `-- --users 2000 --within 300 --simulated --profile` takes a quarter of an hour.
    """
    python(session, "bench.load", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Times and memory beside the same parts started by hand; a table and a plot."""
    python(session, "bench", *session.posargs)
    python(session, "bench.backup")
    reason = missing("hub") or missing("nohub")
    if reason:
        session.log(f"The modes in Docker are not measured: {reason}")
        return
    python(session, "bench.compose")
    if os.environ.get("HABARI_IMAGES") == "packages":
        cold = ["--cold"] if "--cold" in session.posargs else []
        python(session, "bench.images", *cold)
    reason = missing("kind")
    if reason:
        session.log(f"Mode kind is not measured: {reason}")
        return
    python(session, "bench.kind", "--suite")
    python(session, "bench.production")
