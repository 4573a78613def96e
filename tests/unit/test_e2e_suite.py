"""The end-to-end suite's own promises: it says what is wrong, and it keeps secrets to itself."""

import base64
import gzip
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from habari_local.core.redaction import HIDDEN
from tests.e2e import endpoints, not_applicable
from tests.e2e.cluster import chart_of
from tests.e2e.collector import Collector
from tests.e2e.report import model, render, source
from tests.e2e.report.evidence import LogTails
from tests.e2e.report.redaction import Redaction

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("token-of-the-hub", "key-id-of-a-user", "secret-key-of-a-user", "token-of-faults")


def described(**changed: Any) -> dict[str, Any]:
    """Endpoints of a deployment that nothing serves: port 1 is never open."""
    nowhere = "http://127.0.0.1:1"
    hub, key_id, key, control = SECRETS
    s3 = {"endpoint_url": nowhere, "region": "us-east-1", "access_key_id": key_id}
    s3 |= {"secret_access_key": key, "lake_bucket": "lake", "notebooks_bucket": "notebooks"}
    return {
        "schema": 1,
        "mode": "process",
        "hub_url": f"{nowhere}/",
        "hub_api_token": hub,
        "s3": s3,
        "users": {"admin": ["ada"], "allowed": ["grace", "linus"], "denied": []},
        "github": {"url": nowhere, "control_token": control},
        "services": {"hub": {"from_host": nowhere}},
        **changed,
    }


def collector_in(folder: Path, strict: bool = False) -> Collector:
    found = endpoints.parse(json.dumps(described()), "a test")
    return Collector(found, folder, "endpoints.json", strict)


def test_a_platform_that_is_down_is_reported_at_once_and_without_secrets(tmp_path: Path) -> None:
    file, report = tmp_path / "endpoints.json", tmp_path / "report"
    file.write_text(json.dumps(described()))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/e2e/test_platform.py",
        "-p",
        "no:cacheprovider",
    ]

    ended = subprocess.run(
        [*command, "--endpoints", str(file), "--report", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "services don't answer" in ended.stdout
    page = (report / "index.html").read_text()
    assert "hub at http://127.0.0.1:1" in page
    assert "test_platform.py::test_every_service_answers" in page
    kept = [path.read_text() for path in report.iterdir() if path.is_file()]
    assert len(kept) == 3, "the page, the results and JUnit's file"
    assert not [secret for secret in SECRETS if secret in "".join([*kept, ended.stdout])]


def test_wrong_endpoints_are_named_all_at_once_and_their_values_not() -> None:
    wrong = described(mode="Process!", hub_api_token=["token-of-the-hub"], users={"admin": []})
    with pytest.raises(pytest.UsageError) as told:
        endpoints.parse(json.dumps(wrong), "a test")
    said = str(told.value)
    assert all(name in said for name in ("mode", "hub_api_token", "users.admin", "users.allowed"))
    assert "token-of-the-hub" not in said
    assert "Try: " in said


def test_endpoints_dont_show_their_secrets() -> None:
    shown = repr(endpoints.parse(json.dumps(described()), "a test"))
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize(("strict", "failed"), [(False, 0), (True, 1)])
def test_strict_fails_what_is_skipped_without_a_listed_reason(
    pytester: pytest.Pytester, strict: bool, failed: int
) -> None:
    pytester.makepyfile(
        test_it=f"""
        import pytest
        def test_works(): pass
        def test_lazy(): pytest.skip("no time")
        def test_listed(): pytest.skip({not_applicable.PREFIX + "listed"!r})
        """
    )
    collector = collector_in(pytester.path / "report", strict)

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[collector])

    result.assert_outcomes(passed=1, skipped=2 - failed, failed=failed)
    outcomes = {check.title: check.outcome for check in collector.run.checks}
    lazy = "failed" if strict else "skipped"
    assert outcomes == {"works": "passed", "lazy": lazy, "listed": "not applicable"}


def test_every_listed_reason_is_used_and_says_something() -> None:
    used = "".join(path.read_text() for path in (ROOT / "tests/e2e").glob("*.py"))
    for key, says in not_applicable.listed().reasons.items():
        assert f'not_applicable("{key}")' in used
        assert len(says) > 20


@pytest.mark.parametrize(
    "text",
    [
        "GET /hub/oauth_callback?code=abcdef123&state=eyJz0 200",
        "Cookie: jupyterhub-session-id=abcdef123",
        "{'Authorization': 'token abcdef123'}",
        "said token-of-the-hub, abcdef123 ".replace("abcdef123", "token-of-the-hub"),
    ],
)
def test_redaction_takes_out_what_is_secret(text: str) -> None:
    clean = Redaction(SECRETS)(text)
    assert HIDDEN in clean
    assert not re.search("abcdef123|eyJz0|token-of-the-hub", clean)


def test_redaction_leaves_code_alone() -> None:
    line = 'page = second.finish(with_query(fresh, code=used["code"]))'
    assert Redaction(SECRETS)(line) == line


def test_a_trace_keeps_no_session(tmp_path: Path) -> None:
    trace = tmp_path / "x.trace.zip"
    header = '{"name":"Cookie","value":"session=\\"abcdef123\\""}'
    with zipfile.ZipFile(trace, "w") as file:
        file.writestr("0-trace.network", f'{{"headers":[{header}],"cookies":[{header}]}}')
        file.writestr("resources/picture.png", b"\x89PNG")

    Redaction(SECRETS).trace(trace)

    with zipfile.ZipFile(trace) as file:
        assert "abcdef123" not in file.read("0-trace.network").decode()
        assert json.loads(file.read("0-trace.network"))["headers"][0]["value"] == HIDDEN
        assert file.read("resources/picture.png") == b"\x89PNG"
    assert trace.stat().st_mode & 0o077 == 0


def test_log_tails_begin_with_the_check(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    log.write_text("before\n")
    tails = LogTails({"hub": log, "silent": tmp_path / "missing.log"}, Redaction())
    tails.begin()
    with log.open("a") as file:
        file.write("GET /x?code=abc\n")
    assert tails.read() == {"hub": f"GET /x?code={HIDDEN}"}


def test_the_page_puts_modes_side_by_side_and_needs_nothing_else(tmp_path: Path) -> None:
    for mode, outcome in (("process", "passed"), ("kind", "failed")):
        check = model.Check("lake::test_x", "lake", "It <works>", "n", reproduce="pytest n")
        check.outcome = "passed" if outcome == "passed" else "failed"
        check.message = "AssertionError: <b>" if outcome == "failed" else ""
        run = model.Run(mode, "2026-11-24T03:00:00+00:00", "pytest", checks=[check], source="s")
        run.ended, run.total = True, 1
        run.capabilities["lake"] = "Data"
        run.timings.append(model.Timing("Server start", 2.5))
        assert model.write(run, tmp_path).stat().st_mode & 0o077 == 0

    page = render.write(model.read_all(tmp_path), tmp_path, "kind").read_text()

    assert "1 of 2 checks failed" in page
    assert page.index("<strong>kind</strong>") < page.index("<strong>process</strong>")
    assert "It &lt;works&gt;" in page
    assert "AssertionError: &lt;b&gt;" in page
    assert page.count("<rect") == 2
    assert not re.findall(r"(?:src|href)=\"(?!data:)|@import|url\(", page)


SUITE = """
    def test_login(): pass
    def test_logout(): pass
    def test_lake(): pass
    """


def read(folder: Path) -> str:
    """The text of the page, without its tags."""
    page = (folder / "index.html").read_text()
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_the_page_says_what_was_run_of_what_there_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    collector = collector_in(pytester.path / "report")
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "log", plugins=[collector])
    assert "2 checks passed" in read(pytester.path / "report")
    assert "Mode process: 2 of 3 checks, chosen by" in read(pytester.path / "report")
    assert "-k log" in read(pytester.path / "report")
    kept = model.read_all(pytester.path / "report")[0]
    assert (kept.ended, kept.whole, kept.total, kept.selected) == (True, False, 3, 2)
    assert re.fullmatch("[0-9a-f]{40}", kept.commit)
    assert "cores" in kept.machine


@pytest.mark.parametrize("words", [("-k", "nothing"), ()])
def test_a_run_of_nothing_leaves_no_old_page(
    pytester: pytest.Pytester, words: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_it=SUITE if words else "")
    report = pytester.path / "report"
    report.mkdir()
    (report / "index.html").write_text("All 104 checks passed")
    collector = collector_in(report)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", *words, plugins=[collector])
    assert "Nothing was run" in read(report)
    assert "All 104" not in read(report)


def test_a_run_that_was_killed_leaves_no_old_page(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_login(): pass")
    report = pytester.path / "report"
    kept = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[collector_in(report)])
    kept.assert_outcomes(passed=1)
    assert "1 checks passed" in read(report)
    pytester.makepyfile(
        test_it=f"""
        import pathlib, shutil
        def test_login(): shutil.copytree({str(report)!r}, {str(report)!r} + "-then")
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[collector_in(report)])
    as_killed = read(Path(f"{report}-then"))
    assert "No result yet" in as_killed
    assert "it goes on, or it was killed" in as_killed
    assert "passed" not in as_killed


def test_an_earlier_run_is_marked_and_counts_if_its_code_is_the_same(tmp_path: Path) -> None:
    for mode, code in (("hub", "same"), ("kind", "other"), ("process", "same")):
        check = model.Check("lake::test_x", "lake", "It works", "n")
        run = model.Run(mode, "2026-11-24T03:00:00+00:00", "pytest", checks=[check], source=code)
        run.ended, run.total, run.capabilities = True, 1, {"lake": "Data"}
        if mode == "kind":
            check.outcome, check.message = "failed", "AssertionError: then"
        model.write(run, tmp_path)
    render.write(model.read_all(tmp_path), tmp_path, "process")
    page = read(tmp_path)
    assert page.count("2 checks passed") == 2, "title and heading: kind was of other code"
    assert "hub, an earlier run of the same code" in page
    assert "in mode kind (an earlier run of other code)" in page
    assert "process, this run" in page


def test_code_is_the_same_until_a_file_differs(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert source.of_checkout(tmp_path).commit == ""
    git("init")
    (tmp_path / "file").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    clean = source.of_checkout(tmp_path)
    assert not clean.dirty
    (tmp_path / "new").write_text("1")
    first = source.of_checkout(tmp_path)
    (tmp_path / "new").write_text("2")
    second = source.of_checkout(tmp_path)
    assert first.dirty
    assert len({clean.digest, first.digest, second.digest}) == 3


def test_a_chart_is_called_what_its_own_file_calls_it() -> None:
    """The double of Zero to JupyterHub is told to be one, however its release is named."""
    file = ROOT / "tests" / "fixtures" / "chart" / "Chart.yaml"
    kept = {"name": "habari", "chart": {"metadata": YAML(typ="safe").load(file)}}
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(kept).encode())))
    chart = chart_of(packed.decode())
    assert chart.title == "habari-double 0.1.0"
    assert "double of Zero to JupyterHub" in chart.description
