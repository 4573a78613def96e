"""The place of an error that has no line: found by what its text names."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.helm_values.behavior import startup
from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation, _template_failures
from habari_local.helm_values.values import Place

VALUES: dict[str, Any] = {
    "hub": {
        "fsGid": 1000,
        "config": {
            "JupyterHub": {"authenticator_class": "github"},
            "GitHubOAuthenticator": {"allowed_users": ["grace", "https://github.com/linus"]},
        },
        "loadRoles": {
            "grader": {"scopes": ["list:users", "read:grades"], "services": ["grader-bot"]},
            "Grading Team": {"scopes": ["self"], "users": ["grace"]},
        },
        "services": {"dashboards": {"url": "http://a", "oauth_client_id": "dash", "endpoint": 1}},
        "extraConfig": {"30-hook": "import os\n\ndef prepare():\n    pass\n"},
    },
    "singleuser": {
        "extraEnv": {"COURSE": '{"week": 3}', "OMP_NUM_THREADS": 4},
        "extraAnnotations": {"owner": "{team}"},
        "profileList": [{"display_name": "Large", "kubespawner_override": {"mem_limit": "16Gi"}}],
        "extraFiles": {"motd": {"stringData": "hello"}},
    },
    "scheduling": {"userPods": {"nodeAffinity": {"matchNodePurpose": "required"}}},
    "rbac": {"enabled": True},
    "ingress": {"hosts": "hub.acme.com"},
}
PROFILE: Place = ("singleuser", "profileList", 0, "kubespawner_override", "mem_limit")
PURPOSE: Place = ("scheduling", "userPods", "nodeAffinity", "matchNodePurpose")


def told(stage: str, kind: str, message: str) -> Finding:
    failed = {"stage": stage, "error": kind, "message": message, "where": None}
    (found,) = startup.starts(Evaluation({"failures": [failed]}, VALUES, VALUES))
    return found


@pytest.mark.parametrize(
    ("stage", "kind", "message", "place"),
    [
        ("start", "ScopeNotFound", "Scope 'read:grades' does not exist", "loadRoles.grader.scopes"),
        ("start", "ValueError", "Found undefined service grader-bot in role grader.", "loadRoles"),
        ("start", "AttributeError", "No such service field: endpoint", "services.dashboards"),
        ("start", "ValueError", "service  has oauth_client_id='dash'.", "oauth_client_id"),
        ("start", "ValueError", "username 'https://github.com/linus' is bad", "allowed_users"),
        ("pod", "KeyError", "'team'", "extraAnnotations.owner"),
        ("pod", "KeyError", "'\"week\"'", "extraEnv.COURSE"),
        ("pod", "TypeError", "expected string or bytes-like object, got 'int'", "OMP_NUM_THREADS"),
    ],
)  # fmt: skip
def test_an_error_stands_at_what_it_names(stage: str, kind: str, message: str, place: str) -> None:
    assert place in ".".join(str(each) for each in told(stage, kind, message).place)


@pytest.mark.parametrize(
    ("stage", "message", "place"),
    [
        ("start", "Invalid role name: 'Grading Team'.", ("hub", "loadRoles", "Grading Team")),
        ("profile", "x", ("singleuser", "profileList")),
        ("spawner", "16Gi is not a valid memory specification.", PROFILE),
        ("start", "Unrecognized value for matchNodePurpose: required", PURPOSE),
        ("start", "something of which nothing is known", ("hub", "config")),
        ("pod", "something of which nothing is known", ("singleuser",)),
    ],
)
def test_an_error_stands_nowhere_else(stage: str, message: str, place: Place) -> None:
    assert told(stage, "ValueError", message).place == place


def test_a_function_that_is_called_wrongly_is_told_where_it_is_defined() -> None:
    message = "prepare() takes 0 positional arguments but 1 was given"
    found = told("pod", "TypeError", message)
    assert (found.place, found.line) == (("hub", "extraConfig", "30-hook"), 3)


def test_what_a_colon_announces_is_told_with_it() -> None:
    message = "Role names must:\n - be 3-255 characters\n - start with a letter\nUse another."
    says = told("start", "InvalidNameError", message).says
    assert "Role names must: be 3-255 characters, start with a letter" in says


CHART_REFUSES = """Error: execution error at (jupyterhub/templates/NOTES.txt:175:4):

#################################################################################
######   BREAKING: The config values passed contained no longer accepted    #####
#################################################################################

CHANGED: rbac.enabled must as of version 2.0.0 be configured via rbac.create and
prePuller.hook.serviceAccount.create.

RENAMED: hub.fsGid must as of version 2.0.0 be configured via hub.podSecurityContext.fsGroup.



Use --debug flag to render out invalid YAML
"""
NO_LIST = (
    "Error: template: jupyterhub/templates/ingress.yaml:17:61: executing "
    '"jupyterhub/templates/ingress.yaml" at <"">: range can\'t iterate over hub.acme.com\n\n'
    "Use --debug flag to render out invalid YAML\n"
)
NO_PATH = (
    "Error: execution error at (jupyterhub/templates/hub/secret.yaml:9:4): \n\n"
    "extraFiles entries (motd) must contain the field 'mountPath'.\n\nUse --debug flag"
)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (CHART_REFUSES, [("rbac", "enabled"), ("hub", "fsGid")]),
        (NO_LIST, [("ingress", "hosts")]),
        (NO_PATH, [("singleuser", "extraFiles", "motd", "stringData")]),
    ],
    ids=["no longer accepted", "no list", "no path"],
)
def test_what_the_chart_refuses_is_told_in_its_words_and_where(
    output: str, expected: list[Place]
) -> None:
    failures = {"failures": _template_failures(output)}
    found = [*startup.starts(Evaluation(failures, VALUES, VALUES))]
    assert [each.place for each in found] == expected
    assert not any("#" in each.says or "--debug" in each.says for each in found)


def test_no_value_is_told() -> None:
    (found,) = startup.starts(Evaluation({"failures": _template_failures(NO_LIST)}, VALUES, VALUES))
    assert "acme" not in found.says
    assert found.says.endswith("a list or a map was expected")
