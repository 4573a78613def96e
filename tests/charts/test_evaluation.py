"""What production does with values, as `config check` finds it, by the double and the real one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from habari_local.core.paths import Checkout
from habari_local.helm_values.evaluate import Evaluator
from habari_local.helm_values.init_values import fill_values
from habari_local.helm_values.validate import validate
from habari_local.helm_values.values import Violation
from tests.charts.rendering import ROOT, charts
from tests.programs import with_helm

ANSWERS = {
    "host": "habari.acme.com",
    "client-id": "Ov23li",
    "admins": "ada",
    "users": "grace,linus",
    "image": "registry.acme.com/habari/habari-jupyter:2026.11.1",
    "lake": "acme-lake",
    "notebooks": "acme-notebooks",
    "region": "eu-central-1",
}
Judge = Callable[[str], list[Violation]]
GITHUB = "hub: {config: {GitHubOAuthenticator: {%s}}}"
EXTRA = "hub:\n  extraConfig:\n    zz: |\n      x = 1\n      %s"
EGRESS = "singleuser: {networkPolicy: {egressAllowRules: {%s: true}}}"
HUB = "hub: {config: {JupyterHub: {%s}}}"
SPAWNER = "hub: {config: {KubeSpawner: {%s}}}"
PROFILE = "{display_name: Large, kubespawner_override: {memory_limit: 8G}}"
VOLUMES = "singleuser: {storage: {extraVolumes: [%s]}}"
OTHER = (
    "hub: {config: {JupyterHub: {authenticator_class: %s}, %s: {client_id: x, allowed_users: [ada],"
    " oauth_callback_url: 'https://habari.acme.com/hub/oauth_callback'%s}}}"
)
DNS = (
    "singleuser: {networkPolicy: {egressAllowRules: {dnsPortsPrivateIPs: false,"
    " dnsPortsKubeSystemNamespace: false, dnsPortsCloudMetadataServer: false}}}"
)
ANY, FRAME = "{Access-Control-Allow-Origin: '*'}", "{Content-Security-Policy: frame-ancestors *}"
SAME = "[{display_name: Course}, {display_name: course!}]"
OWN_SECRET = (
    "hub: {existingSecret: , extraEnv: {OAUTH_CLIENT_SECRET: {valueFrom: {secretKeyRef: "
    "{name: app, key: secret}}}}%s}"
)
# What is laid over good values → rule, line and a part of what is told.
BAD = [
    (GITHUB % "allow_all: true", "allow", 1, "lets in everybody"),
    (EXTRA % "setattr(c.Authenticator, 'allow_all', 1)", "allow", 5, "lets in everybody"),
    (GITHUB % "allow_existing_users: true", "allow", 1, "let in once"),
    (GITHUB % "allowed_users: ['*']", "allow", 1, "no GitHub name"),
    (GITHUB % "allowed_users: grace", "start", 1, "text, a set was expected"),
    (GITHUB % "allowed_users: [], admin_users: []", "allow", 1, "nobody may sign in"),
    (EXTRA % "c.JupyterHub.authenticator_class = 'dummy'", "authenticator", 5, "whom they say"),
    (EXTRA % "def broken(:", "start", 5, "SyntaxError"),
    (EXTRA % "import no_such_module", "start", 5, "No module named 'no_such_module'"),
    (EXTRA % "c.JupyterHub.authenticator_class = 'gitlabb'", "start", None, "the hub can't start"),
    ("singleuser: {memory: {limit: 2Gi}}", "start", 1, "no server can start"),
    ("singleuser: {extraAnnotations: {x: '{nobody}'}}", "start", None, "no server can start"),
    ("hub: {db: }", "start", 1, "can't be rendered: empty, and the chart reads"),
    (GITHUB % "client_id: ''", "client-id", 1, "refuses every sign-in"),
    ("hub: {config: {JupyterHub: {authenticator_class: native}}}", "authenticator", 1, "nobody"),
    ("hub: {extraConfig: {signIn: ''}}", "stays", None, "stays signed in"),
    (EXTRA % "c.KubeSpawner.image = 'foo:latest'", "image", 5, "latest names another image"),
    ("singleuser: {image: {tag: 'latest '}}", "image", 1, "no image is called so"),
    ("singleuser: {image: {tag: main}}", "moving-tag", 1, "a tag that projects move"),
    ("singleuser: {initContainers: [{name: x, image: foo}]}", "image", 1, "no tag"),
    ("proxy: {chp: {image: {name: foo}}}", "image", 1, "no tag of its own"),
    ("hub: {image: {name: 'foo:latest', tag: '1'}}", "image", 1, "no image is called so"),
    ("singleuser: {uid: 0}", "server-rights", 1, "run as root"),
    ("singleuser: {allowPrivilegeEscalation: true}", "server-rights", 1, "may become root"),
    ("singleuser: {extraPodConfig: {hostNetwork: true}}", "server-rights", 1, "part of the node"),
    ("hub: {config: {KubeSpawner: {privileged: true}}}", "server-rights", 1, "root on its node"),
    (EXTRA % "c.KubeSpawner.privileged = True", "server-rights", 5, "root on its node"),
    (
        "singleuser: {cmd: [x, --ServerApp.allow_origin=*]}",
        "server-protection",
        1,
        "pages of other sites",
    ),
    ("singleuser: {memory: {guarantee: 4G}}", "server-rights", 1, "than the limit allows"),
    ("singleuser: {networkPolicy: {enabled: false}}", "network", 1, "reach each other"),
    (EGRESS % "cloudMetadataServer", "metadata", 1, "metadata address"),
    (EGRESS % "privateIPs", "network", 1, "private addresses"),
    (GITHUB % "allowed_organizations: [acme/data]", "allow", 1, "no organization of GitHub"),
    (
        EXTRA % "c.Authenticator.post_auth_hook = lambda a, h, model: {**model, 'admin': True}",
        "user-rights",
        5,
        "makes whoever signs in an admin",
    ),
    ("hub: {loadRoles: {user: {scopes: [self, servers]}}}", "user-rights", 1, "for everybody"),
    (GITHUB % "validate_server_cert: false", "provider", 1, "anybody on the way"),
    (GITHUB % "token_url: http://github.com/token", "fake-github", 1, "can say who people are"),
    (OTHER % ("generic-oauth", "GenericOAuthenticator", ""), "provider", None, "nobody can sign"),
    (OTHER % ("cilogon", "CILogonOAuthenticator", ""), "providers", None, "any of its providers"),
    (
        EXTRA % "c.HabariAuthenticator.oauth_callback_url = 'https://old' + '.acme.com/hub/x'",
        "callback",
        5,
        "its host is none that people open",
    ),
    ("hub: {existingSecret: }", "client-secret", 1, "comes from anywhere else"),
    ("ingress: {tls: []}", "tls", None, "no certificate for it"),
    ("ingress: {enabled: false}", "tls", 1, "no https"),
    (
        "proxy: {https: {enabled: true, hosts: [habari.acme.com], letsencrypt: {contactEmail: "
        "it@acme.com, acmeServer: 'https://acme-staging-v02.api.letsencrypt.org/directory'}}}",
        "tls",
        1,
        "no browser trusts",
    ),
    (EXTRA % "c.KubeSpawner.modify_pod_hook = lambda *_: None", "start", None, "returned nothing"),
    (EXTRA % "import os; os.environ['NO_SUCH']", "start", 5, "no variable NO_SUCH"),
    (EXTRA % "c.JupyterHub.db_url = 'postgres://a@db/a'", "start", None, "NoSuchModuleError"),
    (SPAWNER % f"profile_list: [{PROFILE}]", "start", None, "nothing called memory_limit"),
    (SPAWNER % f"profile_list: {SAME}", "start", 1, "another profile has the slug course"),
    (EXTRA % "c.KubeSpawner.volume_mounts = {}", "homes-kept", 5, "on no volume that stays"),
    ("cull: {timeout: 240}", "cull", 1, "stops servers in use"),
    (OWN_SECRET % ", db: {type: postgres}", "database", 1, "a file in the hub's pod"),
    (SPAWNER % "pod_name_template: jupyter", "homes", 1, "one user at a time"),
    ("singleuser: {storage: {dynamic: {pvcNameTemplate: x}}}", "homes", 1, "the same home"),
    ("singleuser: {networkPolicy: {ingress: [{from: []}]}}", "network-ingress", 1, "everywhere"),
    (DNS, "network-hub", 1, "no names"),
    (HUB % "tornado_settings: {xsrf_cookies: false}", "hub-protection", 1, "xsrf_cookies"),
    (HUB % f"tornado_settings: {{headers: {ANY}}}", "hub-protection", 1, "Allow-Origin"),
    (HUB % f"tornado_settings: {{headers: {FRAME}}}", "hub-protection", 1, "frame-ancestors"),
    ("hub: {containerSecurityContext: {privileged: true}}", "hub-rights", None, "is root"),
    ("hub: {extraPodSpec: {hostNetwork: true}}", "hub-rights", None, "part of the node"),
    (VOLUMES % "{name: k, secret: {secretName: hub}}", "server-rights", 1, "a secret of the hub"),
    ("singleuser: {image: {tag: '1@sha256:abc'}}", "image", 1, "no image is called so"),
    # What Kubernetes refuses: types by its client's models, the rest by our own reading.
    ("hub: {nodeSelector: {core: true}}", "objects", 1, "true or false, text was expected"),
    ("hub: {resources: {limits: {memory: 1GB}}}", "objects", 1, "no quantity"),
    ("hub: {resources: {requests: {memory: 2Gi}}}", "objects", 1, "more than the limit"),
    ("hub: {extraVolumeMounts: [{name: x, mountPath: /x}]}", "objects", 1, "no volume of the pod"),
    ("hub: {extraVolumes: [{name: config, emptyDir: {}}]}", "objects", 1, "is there twice"),
    ("hub: {tolerations: [{key: a, operator: Equals}]}", "objects", 1, "Equal or Exists"),
    ("singleuser: {storage: {capacity: 10GB}}", "objects", 1, "no quantity"),
    ("singleuser: {nodeSelector: {pool: 1}}", "objects", 1, "a number, text was expected"),
    ("singleuser: {lifecycleHooks: {preStop: {exec: {cmd: [a]}}}}", "objects", 1, "no such field"),
    ("ingress: {hosts: ['https://habari.acme.com']}", "objects", 1, "no host"),
    (SPAWNER % "image_pull_policy: Sometimes", "objects", 1, "IfNotPresent"),
    (
        "singleuser: {extraEnv: {X: {valueFrom: {secretKeyRef: {name: x}}}}}",
        "objects",
        None,
        "key: not set",
    ),
    ("hub: {extraPodSpec: {hostAliases: 5, dnsConfig: x}}", "objects", None, "a list was expected"),
    (VOLUMES % "{name: k, emptyDir: {}, secret: {secretName: k}}", "objects", None, "sources"),
    ("hub: {baseUrl: jupyter}", "objects", None, "a / at its beginning"),
    (
        GITHUB % "oauth_callback_url: 'https://habari.acme.com:8443/hub/oauth_callback'",
        "callback",
        1,
        "its port",
    ),
    (OTHER % ("azuread", "AzureAdOAuthenticator", ", allow_all: true"), "allow", 1, "everybody"),
    (
        "hub: {config: {JupyterHub: {authenticator_class: ldap}, LDAPAuthenticator: "
        "{server_address: a.acme.com, tls_strategy: insecure, allow_all: true,"
        " bind_dn_template: ['uid={username},dc=acme']}}}",
        "provider",
        1,
        "as they are",
    ),
]


@pytest.fixture(scope="module", params=charts(), ids=lambda each: each.name)
def evaluator(request: pytest.FixtureRequest) -> Iterator[Evaluator]:
    environ = with_helm()
    found = Evaluator(request.param, environ, ROOT, Checkout(ROOT).environments)
    found.prepare()
    with found:
        yield found


@pytest.fixture
def judge(evaluator: Evaluator, tmp_path: Path) -> Judge:
    good, over = tmp_path / "good.yaml", tmp_path / "over.yaml"
    dist = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
    good.write_text(fill_values(dist, ANSWERS), encoding="utf-8")

    def judged(text: str) -> list[Violation]:
        over.write_text(text, encoding="utf-8")
        return validate([good, over], ROOT, None, tmp_path, evaluator)

    return judged


def test_production_as_it_is_filled_in_is_good(judge: Judge) -> None:
    assert judge("{}") == []


AZURE = "{allowed_users: [ada], oauth_callback_url: 'https://habari.acme.com/hub/oauth_callback'}"
GOOD = [
    "hub: {config: {JupyterHub: {authenticator_class: azuread}, AzureAdOAuthenticator: "
    + AZURE
    + "}}",
    "hub: {config: {JupyterHub: {authenticator_class: generic-oauth}, GenericOAuthenticator: "
    "{allow_all: true, oauth_callback_url: 'https://habari.acme.com/hub/oauth_callback', "
    "client_id: x, authorize_url: 'https://sso.acme.com/a', token_url: 'https://sso.acme.com/t', "
    "userdata_url: 'https://sso.acme.com/u', username_claim: sub}}}",
    "hub: {config: {JupyterHub: {cookie_secret: 'ENC[AES256_GCM,data:aa,iv:b,tag:c,type:str]'}}}",
]


@pytest.mark.parametrize("text", GOOD, ids=["another authenticator", "own accounts", "by sops"])
def test_what_production_may_do_is_not_refused(judge: Judge, text: str) -> None:
    assert [each for each in judge(text) if not each.warning] == []


@pytest.mark.parametrize(
    ("text", "rule", "line", "told"), BAD, ids=[f"{each[1]}-{each[3]}" for each in BAD]
)
def test_what_production_must_not_do_is_told_with_its_line(
    judge: Judge, text: str, rule: str, line: int | None, told: str
) -> None:
    found = [each for each in judge(text) if each.rule == rule and told in each.message]
    assert found, judge(text)
    if line is not None:
        assert (found[0].file, found[0].line) == ("over.yaml", line)


@pytest.mark.parametrize(
    "text",
    [
        "singleuser: {image: {tag: '1.2@sha256:%s'}}" % (64 * "a"),
        "hub: {existingSecret: other}",
        "hub: {baseUrl: /jupyter/, config: {GitHubOAuthenticator: "
        "{oauth_callback_url: 'https://habari.acme.com/jupyter/hub/oauth_callback'}}}",
        GITHUB % "allowed_organizations: [acme], scope: ['read:org'], enable_auth_state: true",
        "singleuser: {storage: {extraVolumes: [{name: k, projected: {sources: []}}]}}",
        OWN_SECRET % "",
        "singleuser: {extraAnnotations: {course: '\U0001f680'}}",
        "ingress: {tls: [{hosts: ['*.acme.com'], secretName: all}]}",
    ],
)
def test_what_production_may_do_is_not_told(judge: Judge, text: str) -> None:
    assert judge(text) == []


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "open('/tmp/habari-evaluation-wrote-this', 'w')",
        "open(%r).read()",
        "while True: pass",
        "x = bytearray(2**40)",
    ],
    ids=["network", "program", "file", "home", "time", "memory"],
)
def test_code_of_values_is_confined(judge: Judge, tmp_path: Path, code: str) -> None:
    secret = Path.home() / ".habari-evaluation-secret"
    if "%r" in code:
        code %= str(secret)
        secret.write_text("", encoding="utf-8")
    try:
        found = [each for each in judge(EXTRA % code) if each.rule == "start"]
    finally:
        secret.unlink(missing_ok=True)
    assert len(found) == 1
    assert not Path("/tmp/habari-evaluation-wrote-this").exists()


def test_nothing_of_the_environment_reaches_the_code(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN_OF_MINE", "s3cret")
    assert judge(EXTRA % "import os; assert 'A_TOKEN_OF_MINE' not in os.environ") == []
    assert os.environ["A_TOKEN_OF_MINE"]


def test_code_that_reads_what_only_the_pod_has_is_a_warning(judge: Judge) -> None:
    found = [each for each in judge(EXTRA % "open('/secrets/of-mine')") if each.rule == "start"]
    assert [each.warning for each in found] == [True]


def test_a_provider_of_ones_own_may_let_in_everybody_that_it_knows(judge: Judge) -> None:
    own = "github_url: 'https://github.acme.com', allow_all: true"
    assert [each for each in judge(GITHUB % own) if not each.warning] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hub: {loadRoles: {extra: {scopes: [no-such-scope], users: [ada]}}}", "ScopeNotFound"),
        (GITHUB % "client_id: 1.5", "a unicode string was expected"),
        ("hub: {loadRoles: {X y: {scopes: [self], users: [ada]}}}", "the hub can't start"),
    ],
    ids=["scope", "type", "name"],
)
def test_a_hub_that_cant_start_is_told_by_its_cause_alone(
    judge: Judge, text: str, told: str
) -> None:
    """No authenticator was made then: it has no addresses, and none are missing."""
    found = [each for each in judge(text) if not each.warning]
    assert [each.rule for each in found] == ["start"]
    assert told in found[0].message
