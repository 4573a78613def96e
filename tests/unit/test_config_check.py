"""`config check`: each rule of production broken by itself, all at once, and bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from habari_local.cli import main
from habari_local.config.settings import Settings
from habari_local.helm_values.chart import open_chart
from habari_local.helm_values.init_values import QUESTIONS, fill_values
from habari_local.helm_values.rules import RULES, WARNINGS
from habari_local.helm_values.rules.placeholders_and_secrets import PLACEHOLDER
from habari_local.helm_values.validate import validate
from habari_local.helm_values.values import dotted, leaves, parse

ROOT = Path(__file__).resolve().parents[2]
DIST = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
DOUBLE = open_chart(ROOT / "tests" / "fixtures" / "chart")
ANSWERS = {
    "host": "habari.my-team.org",
    "client-id": "Ov23li",
    "admins": "ada",
    "users": "grace,linus",
    "image": "registry.my-team.org/habari/habari-notebook:abc@sha256:" + 64 * "0",
    "lake": "my-lake",
    "notebooks": "my-notebooks",
    "region": "eu-west-1",
}
# A rule, what is laid over good values, and the place that is told.
BROKEN = [
    ("authenticator", "hub: {config: {JupyterHub: {authenticator_class: dummy}}}"),
    ("authenticator", "hub: {config: {JupyterHub: {authenticator_class: }}, extraConfig: }"),
    ("authenticator", "hub: {config: {JupyterHub: {authenticator_class: a.DummyAuthenticator}}}"),
    ("authenticator", "hub: {extraConfig: {x: 'c.X = DummyAuthenticator'}}"),
    ("allow", "hub: {config: {GitHubOAuthenticator: {admin_users: [], allowed_users: }}}"),
    ("allow", "hub: {config: {Authenticator: {allow_all: true}}}"),
    ("allow", "hub: {extraConfig: {x: 'c.GitHubOAuthenticator.allow_all=True'}}"),
    ("client-secret", "hub: {existingSecret: }"),
    ("fake-github", "hub: {config: {GitHubOAuthenticator: {token_url: 'http://github:8008/x'}}}"),
    ("fake-github", "hub: {config: {OAuthenticator: {authorize_url: 'https://127.0.0.1/x'}}}"),
    ("fake-github", "hub: {config: {GitHubOAuthenticator: {github_api: 'http://api.github.com'}}}"),
    ("fake-github", "hub: {config: {GitHubOAuthenticator: {github_url: 'https://g.habari.svc'}}}"),
    ("callback", "hub: {config: {GitHubOAuthenticator: {oauth_callback_url: }}}"),
    ("callback", "hub: {baseUrl: /jupyter/}"),
    ("callback", "ingress: {hosts: [other.org], tls: [{hosts: [other.org]}]}"),
    ("tls", "ingress: {enabled: false}"),
    ("tls", "ingress: {tls: []}"),
    ("tls", "ingress: {tls: 3}"),
    (
        "tls",
        "proxy: {https: {enabled: true, hosts: [habari.my-team.org], letsencrypt: "
        "{acmeServer: 'https://acme-staging-v02.api.letsencrypt.org/directory'}}}",
    ),
    ("s3", "singleuser: {extraEnv: {AWS_ENDPOINT_URL: 'http://s3.habari:4566'}}"),
    ("image", "singleuser: {image: {tag: latest}}"),
    ("image", "singleuser: {image: {name: }}"),
    ("image", "singleuser: {profileList: [{kubespawner_override: {image: 'quay.io:1/a/b'}}]}"),
    ("image", "singleuser: {initContainers: [{image: 'busybox:latest'}]}"),
    ("image", "proxy: {chp: {image: {tag: latest}}}"),
    (
        "unlisted-image",
        "singleuser: {profileList: [{profile_options: {image: {unlisted_choice: "
        "{enabled: true, kubespawner_override: {image: '{value}'}}}}}]}",
    ),
    ("server-rights", "hub: {config: {KubeSpawner: {privileged: true}}}"),
    ("server-rights", "singleuser: {storage: {extraVolumes: [{hostPath: {path: /}}]}}"),
    ("server-protection", "singleuser: {cmd: [x, '--ServerApp.allow_origin=*']}"),
    ("metadata", "singleuser: {networkPolicy: {egressAllowRules: {cloudMetadataServer: true}}}"),
    ("extra-config", "hub: {extraConfig: {x: 'a = [1'}}"),
    ("braces", "singleuser: {extraEnv: {X: '{\"lake\": 1}'}}"),
    ("braces", "singleuser: {extraEnv: {X: 'a } b'}}"),
    ("placeholder", "singleuser: {image: {tag: TAG}}"),
    ("plain-secret", "hub: {config: {GitHubOAuthenticator: {client_secret: s3cret}}}"),
    ("plain-secret", "singleuser: {extraEnv: [{name: DB_PASSWORD, value: s3cret}]}"),
    ("plain-secret", "hub: {services: {suite: {apiToken: s3cret}}}"),
    ("plain-secret", "hub: {config: {CryptKeeper: {keys: [s3cret]}}}"),
    ("plain-secret", "hub: {db: {url: 'postgresql://hub:s3cret@db/hub'}}"),
    ("plain-secret", "singleuser: {extraEnv: {AWS_SECRET_ACCESS_KEY: s3cret}}"),
    ("plain-secret", "hub: {extraConfig: {x: 'token = \"ghp_s3crets3crets3crets3cret\"'}}"),
]
# What may be meant: it is told as a warning, and refuses nothing.
WARNED = [
    ("debug", "debug: {enabled: true}"),
    ("network", "singleuser: {networkPolicy: {enabled: false}}"),
    ("moving-tag", "singleuser: {image: {tag: main}}"),
    ("sign-in-warning", "hub: {config: {Authenticator: {auth_refresh_age: 0}}}"),
    ("sign-in-warning", "hub: {config: {GitHubOAuthenticator: {enable_pkce: false}}}"),
    ("sign-in-warning", "hub: {config: {GitHubOAuthenticator: {validate_server_cert: no}}}"),
    (
        "sign-in-warning",
        "hub: {config: {JupyterHub: {tornado_settings: {cookie_options: {samesite: None}}}}}",
    ),
]
GOOD = [
    "singleuser: {image: {tag: abc}}",
    "singleuser: {profileList: [{kubespawner_override: {image: 'quay.io:1/a/b:2'}}]}",
    "singleuser: {initContainers: [{image: 'busybox@sha256:0123'}]}",
    "singleuser: {extraEnv: {AWS_ENDPOINT_URL: 'https://minio.my-team.org'}}",
    "hub: {config: {GitHubOAuthenticator: {github_url: 'https://github.my-team.org'}}}",
    "hub: {config: {GitHubOAuthenticator: {client_secret: 'ENC[AES256_GCM,data:x]'}}}",
    "hub: {config: {GitHubOAuthenticator: {allowed_users: [], admin_users: [], "
    "allowed_organizations: [my-team]}}}",
    "hub: {existingSecret: , extraEnv: {GITHUB_CLIENT_SECRET: {valueFrom: {secretKeyRef: {}}}}}",
    "singleuser: {extraEnv: {X: 'home of {username}, {{}}'}}",
    "ingress: {tls: [{hosts: ['*.my-team.org']}]}",
    "ingress: {enabled: false}\nproxy: {https: {enabled: true, hosts: [habari.my-team.org]}}",
    "sops: {mac: x, age: []}",
    "proxy: {https: {enabled: true, hosts: [habari.my-team.org], letsencrypt: "
    "{acmeServer: 'https://acme-v02.api.letsencrypt.org/directory'}}}",
    "proxy: {https: {enabled: false, letsencrypt: {acmeServer: 'https://acme-staging.x.org/d'}}}",
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(fill_values(DIST, ANSWERS), encoding="utf-8")
    return path


def over(good: Path, text: str) -> Path:
    path = good.with_name("over.yaml")
    path.write_text(f"# first line\n{text}\n", encoding="utf-8")
    return path


def test_filled_in_it_is_good_for_chart_and_rules(good: Path) -> None:
    assert validate([good], ROOT, DOUBLE) == []


def test_names_as_github_gives_them_are_good_answers_and_good_values(tmp_path: Path) -> None:
    names = "octo_corp,foo-,a--b," + "x" * 39
    assert re.fullmatch(QUESTIONS["admins"].pattern, names)
    assert Settings.model_validate({"allowed_users": names}).allowed_users == tuple(
        names.split(",")
    )
    for wrong in ("x" * 40, "-foo", "_foo", "a.b", "a b", "\u017f"):
        assert not re.fullmatch(QUESTIONS["admins"].pattern, wrong)
        with pytest.raises(ValueError, match="can't be a GitHub name"):
            Settings.model_validate({"allowed_users": wrong})
    path = tmp_path / "config.yaml"
    path.write_text(fill_values(DIST, {**ANSWERS, "admins": names}), encoding="utf-8")
    assert validate([path], ROOT, DOUBLE) == []


@pytest.mark.parametrize(("rule", "text"), BROKEN, ids=lambda each: each.replace(" ", ""))
def test_a_broken_rule_is_told_with_its_line_and_without_the_value(
    good: Path, rule: str, text: str
) -> None:
    found = [each for each in validate([good, over(good, text)], ROOT) if each.rule == rule]
    assert found
    if rule not in ("callback", "tls"):  # of two values that don't fit, either may be told
        assert (found[0].file, found[0].line) == (str(good.with_name("over.yaml")), 2)
    assert found[0].line
    assert "s3cret" not in " ".join(map(str, found))


@pytest.mark.parametrize(("rule", "text"), WARNED, ids=lambda each: each.replace(" ", ""))
def test_what_is_dangerous_and_may_be_meant_is_a_warning(
    good: Path, rule: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = validate([good, over(good, text)], ROOT)
    assert (found.rule, found.warning, found.line) == (rule, True, 2)
    code, out = call(capsys, "--base", str(good), str(over(good, text)))
    assert code == 0
    assert ": warning: " in out
    assert "No problems found. 1 warning." in out


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _ in BROKEN} == set(RULES)
    assert {rule for rule, _ in WARNED} == set(WARNINGS)


@pytest.mark.parametrize("text", GOOD, ids=lambda each: each.replace(" ", ""))
def test_what_is_good_is_not_told(good: Path, text: str) -> None:
    assert validate([good, over(good, text)], ROOT) == []


@pytest.mark.parametrize("place", ["beside", "above", "in the text"])
def test_a_secret_can_be_allowed_by_a_comment(good: Path, place: str) -> None:
    allow = "# pragma: allowlist secret"
    secret = "GITHUB_TOKEN: ghp_s3crets3crets3crets3cret"
    text = {
        "beside": f"singleuser:\n  extraEnv:\n    {secret}  {allow}\n",
        "above": f"singleuser:\n  extraEnv:\n    {allow}\n    {secret}\n",
        "in the text": f"custom:\n  x: |\n    {secret}  {allow}\n",
    }[place]
    assert validate([good, over(good, text)], ROOT) == []
    assert len(validate([good, over(good, text.replace(allow, "#"))], ROOT)) == 1


def test_every_placeholder_of_the_dist_is_known() -> None:
    """A word in capitals is one, but for names of variables, which have underscores."""
    words = {
        word
        for place, value in leaves(parse(DIST, "config.dist.yaml").data)
        for word in re.findall(r"(?<![\w.-])[A-Z][A-Z.-]+(?![\w.-])", str(value))
        # nor those of capabilities and of comments in code
        if place[-1] != "key" and not {"drop", "extraConfig"} & set(place)
    }
    told = {
        found for p in validate([ROOT / "config.dist.yaml"], ROOT)
        for found in PLACEHOLDER.findall(p.message)
    }  # fmt: skip
    assert words == told
    assert len(words) == 8


def test_values_of_any_form_break_no_rule_s_neck(good: Path) -> None:
    """Every map and list of good values becomes a number, one after the other."""
    data = parse(good.read_text(encoding="utf-8"), "it").data
    places = {place[:length] for place, _ in leaves(data) for length in range(1, len(place) + 1)}
    for place in places:
        if all(isinstance(each, str) for each in place):
            text = "".join(f"{'  ' * n}{json.dumps(key)}:\n" for n, key in enumerate(place))
            validate([good, over(good, text.rstrip("\n") + " 7")], ROOT)
            assert dotted(place)


def test_a_chart_of_another_jupyterhub_is_told_with_the_lock_s_line(
    good: Path, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("{name: jupyterhub, version: 3.0.0, appVersion: 4.9.1}")
    (chart / "values.yaml").write_text("{}")
    (chart / "values.schema.json").write_text("{}")
    found = validate([good], ROOT, open_chart(chart))
    assert [each.file for each in found] == [
        "hub/requirements-docker.txt",
        "jupyter/requirements.txt",
    ]
    for each in found:
        line = (ROOT / each.file).read_text(encoding="utf-8").splitlines()[each.line - 1]
        assert line.startswith("jupyterhub==")
        assert "4.9 of chart jupyterhub 3.0.0 was expected" in each.message


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--no-evaluate", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out


def test_everything_is_told_at_once_and_in_the_order_of_lines(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over(
        good,
        """\
hub: {existingSecret: , tpyo: 1}
singleuser:
  image:
    tag: latest
    name: TAG""",
    )
    monkeypatch.chdir(good.parent)
    chart = ["--set", f"HABARI_CHART={DOUBLE.path}"]
    code, out = call(capsys, "--base", "config.yaml", "over.yaml", *chart)
    assert code == 1
    assert [line.rpartition(": ")[0] for line in out.splitlines()] == [
        "over.yaml:2: hub.existingSecret",
        "over.yaml:2: hub.tpyo",
        "over.yaml:5: singleuser.image.tag",
        "over.yaml:6: singleuser.image.name",
        "",
        "Not evaluated, so neither sign-in nor servers' pods nor what is rendered was judged",
    ]
    assert out.splitlines()[-2] == "4 problems found."


def test_programs_get_json(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = ["--set", f"HABARI_CHART={DOUBLE.path}"]
    code, out = call(capsys, str(good), "--json", *chart)
    assert (code, json.loads(out)) == (
        0,
        {
            "good": True, "problems": [], "evaluated": False,
            "chart": "habari-double 0.1.0",
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hub:\n\tconfig: {}\n", ":2: no YAML: found character that cannot start any token"),
        (b"hub: 1\nproxy: 2\nhub: 3\n", ":3: hub: warning: stands here a second time"),
        (b"\xff\xfe\x00", ":1: not UTF-8 text"),
        (b"#" * 10_000_000, ":1: 10.0 MB, at most 1024 KiB were expected"),
        (b"", ": nobody may sign in"),
    ],
)
def test_bad_input(
    tmp_path: Path, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    code, out = call(capsys, str(path))
    assert code == 1
    assert told in out


def test_encrypted_values_beside_a_file_count_with_it(
    good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HABARI_CHART", str(DOUBLE.path))
    text = good.read_text(encoding="utf-8")
    good.write_text(text.replace("  existingSecret: habari-hub\n", ""), encoding="utf-8")

    def check() -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as ended:
            main(["config", "check", "--no-evaluate", str(good)])
        return ended.value.code, capsys.readouterr().out

    code, said = check()
    assert code == 1
    assert "no client_secret comes from anywhere else" in said
    secret = "hub: {config: {GitHubOAuthenticator: {client_secret: 'ENC[AES256_GCM,data:x]'}}}"
    good.with_name("secrets.yaml").write_text(secret, encoding="utf-8")
    assert check()[0] in {0, None}
