"""Settings: order of the sources, and every problem told at once with its place."""

from pathlib import Path

import pytest

from habari_local import active_mode
from habari_local.config.load import as_environment, load, unused
from habari_local.config.render.dist import generated
from habari_local.config.secrets import MADE, load_secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import ConfigError, HabariError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("HABARI_") or name == "PROJECT_PATH":
            monkeypatch.delenv(name)


def test_default_then_file_then_environment_then_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "HABARI_HUB_PORT=9001\nHABARI_S3_PORT=9002\nHABARI_GITHUB_PORT=9003\n"
    )
    monkeypatch.setenv("HABARI_S3_PORT", "9102")
    monkeypatch.setenv("HABARI_GITHUB_PORT", "9103")
    loaded = load(tmp_path, {"HABARI_GITHUB_PORT": "9203"})
    ports = loaded.settings.hub_port, loaded.settings.s3_port, loaded.settings.github_port
    assert ports == (9001, 9102, 9203)
    assert loaded.sources["HABARI_HUB_PORT"] == ".env:1"
    assert loaded.sources["HABARI_S3_PORT"] == "environment"
    assert loaded.sources["HABARI_GITHUB_PORT"] == "flag"
    assert loaded.sources["HABARI_S3_REGION"] == "default"


def test_variables_of_github_and_jupyterhub_that_nothing_reads_are_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert unused(path) == []
    path.write_text(
        "# GITHUB_TOKEN=x\nGITHUB_CLIENT_ID=hunter2\nexport JUPYTERHUB_CRYPT_KEY=hunter2\n"
        "OAUTH_CALLBACK_URL=x\nAWS_REGION=x\nHABARI_HUB_PORT=9000\nGITHUB_CLIENT_ID=again\n"
    )
    told = unused(path)
    assert [each.split()[1] for each in told] == [
        "GITHUB_CLIENT_ID",
        "JUPYTERHUB_CRYPT_KEY",
        "OAUTH_CALLBACK_URL",
    ]
    assert "did you mean HABARI_GITHUB_CLIENT_ID?" in told[0]
    assert "hunter2" not in "".join(told)
    assert load(tmp_path).settings.hub_port == 9000


def test_a_line_that_is_none_is_told_without_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HABARI_HUB_PORT=8001\nHABARI_GITHUB_CLIENT_SECRET 'hunter2\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert "hunter2" not in "".join([caught.value.message, *caught.value.problems])
    assert ".env:2" in caught.value.problems[0]


def test_all_problems_at_once_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "# comment\nHABARI_HUB_PORT=eighty\nHABARI_HUB_PROT=1\nHABARI_S3_BACKEND=minio\n"
        "HABARI_MODE\nAWS_REGION=x\n"
    )
    monkeypatch.setenv("HABARI_ALLOWED_USERS", "good,b@d")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {"HABARI_NOPE": "1"})
    told = "\n".join(caught.value.problems)
    assert ".env:2: HABARI_HUB_PORT=eighty" in told
    assert ".env:3: HABARI_HUB_PROT is no setting; did you mean HABARI_HUB_PORT?" in told
    assert ".env:4: HABARI_S3_BACKEND=minio" in told
    assert ".env:5: HABARI_MODE has no '='" in told
    assert "environment: HABARI_ALLOWED_USERS=good,b@d: b@d can't be a GitHub name" in told
    assert "flag: HABARI_NOPE is no setting" in told
    assert "AWS_REGION" not in told
    assert caught.value.code == 2


def test_values_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            {
                "HABARI_ADMIN_USERS": "",
                "HABARI_ALLOWED_USERS": "",
                "HABARI_S3_BACKEND": "aws",
                "HABARI_S3_PORT": "8000",
                "HABARI_GITHUB_CLIENT_ID": "abc",
            },
        )
    told = "\n".join(caught.value.problems)
    assert "nobody could sign in" in told
    assert "HABARI_S3_BACKEND=aws needs" in told
    assert "are the same port, 8000" in told
    assert "go together" in told


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HABARI_GITHUB_CLIENT_SECRET=hunter2\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert "hunter2" not in "\n".join([str(caught.value), *caught.value.problems])


def test_generated_files_are_current() -> None:
    """`nox -s dist` writes them."""
    for path, text in generated(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: nox -s dist"


def test_the_pattern_of_env_loads_as_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.dist").read_text(encoding="utf-8"))
    assert load(tmp_path).settings == Settings()


def test_secrets_are_made_once_private_and_never_shown(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    assert set(first) == set(MADE)
    assert load_secrets(tmp_path) == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert not any(value in repr(first) for value in first.values())


def test_a_broken_secrets_file_is_reported_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{not json")
    with pytest.raises(HabariError, match="not readable as JSON"):
        load_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == "{not json"


def test_settings_that_were_written_down_are_what_they_were() -> None:
    """What `up` remembers renders as what it read: else the next call recreates services."""
    fresh = Settings()
    restored = active_mode._restore(as_environment(fresh))
    for field in Settings.model_fields:
        assert repr(getattr(restored, field)) == repr(getattr(fresh, field)), field
