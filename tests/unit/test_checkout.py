"""Which checkout is worked on: the named one, or the one we stand in; never simply the code's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core import paths
from habari_local.core.errors import HabariError
from habari_local.core.paths import find_checkout
from tests.checkouts import MARKED, marked, work_on


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout whose code is the one that runs; we stand in it."""
    folder = marked(tmp_path / "ours")
    monkeypatch.setattr(paths, "PACKAGE", folder / "habari_local")
    monkeypatch.chdir(folder)
    yield folder
    paths.choose(None)


@pytest.fixture
def installed(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages' folder of an installation, as pipx and `uv tool install` make one."""
    site = tmp_path / "lib" / "site-packages"
    about = site / "habari_local-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: habari-local\nVersion: 0.1.0\n")
    monkeypatch.setattr(paths, "PACKAGE", site / "habari_local")
    return site


def refused() -> HabariError:
    with pytest.raises(HabariError) as caught:
        find_checkout()
    return caught.value


def test_it_is_found_from_a_folder_within(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = clone / "project" / "theirs"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    (project.parent / "pyproject.toml").write_text("not TOML")
    monkeypatch.chdir(project)
    assert find_checkout().root == clone


def test_outside_any_it_says_where_it_looked_and_what_to_do(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = refused()
    assert error.message.startswith(f"No checkout of Habari here: neither {tmp_path}")
    assert error.hint == f"cd {clone}"


def test_one_that_is_named_counts_wherever_we_stand(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths.choose(Path("ours"))
    assert find_checkout().root == clone
    paths.choose(tmp_path)
    assert refused().message == f"{tmp_path} is not a checkout of Habari."


def test_the_code_of_another_clone_is_refused_and_both_are_named(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = marked(tmp_path / "theirs")
    monkeypatch.chdir(other)
    error = refused()
    assert f"{clone}'s" in error.message
    assert f"the checkout here is {other}." in error.message
    assert error.hint == f"cd {other} && uv run habari-local status"


def test_the_same_clone_by_another_path_is_the_same(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(clone)
    monkeypatch.chdir(tmp_path / "link")
    assert find_checkout().root == clone


def test_installed_it_works_on_the_checkout_around_us(clone: Path, installed: Path) -> None:
    assert find_checkout().root == clone
    assert paths.code_checkout() is None


def test_installed_from_another_version_it_refuses(clone: Path, installed: Path) -> None:
    (clone / "pyproject.toml").write_text(MARKED.replace("0.1.0", "0.2.0"))
    message = refused().message
    assert f"version 0.1.0, installed in {installed}" in message
    assert f"{clone} is version 0.2.0" in message


def test_installed_it_never_takes_its_packages_for_a_checkout(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (installed, tmp_path):
        monkeypatch.chdir(folder)
        assert refused().hint == "habari-local --checkout PATH status"


def test_a_folder_that_is_gone_is_a_sentence(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert refused().message == "The working directory has been deleted."


def test_a_command_to_try_means_the_checkout_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from habari_local.cli import main

    work_on(tmp_path / "with space", monkeypatch)
    with pytest.raises(SystemExit):
        main(["endpoints"])
    wanted = f"Try: habari-local --checkout '{tmp_path}/with space' up"
    assert wanted in capsys.readouterr().err
    paths.choose(None)


def test_the_option_wins_over_the_environment(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from habari_local.cli import main

    monkeypatch.setenv("HABARI_CHECKOUT", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["--checkout", str(clone), "config", "show"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_productions_values_are_checked_outside_of_any(
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As pre-commit does, in a repository that has nothing but values."""
    from habari_local.cli import main

    values = tmp_path / "values"
    values.mkdir()
    (values / "config.yaml").write_text("hub: {}\n")
    monkeypatch.chdir(values)
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--no-evaluate", "config.yaml"])
    assert ended.value.code == 1
    assert "config.yaml" in capsys.readouterr().out
    assert [each.name for each in values.iterdir()] == ["config.yaml"]
