"""Who gets in, and who says who somebody is: as made-up people found it."""

from __future__ import annotations

from collections.abc import Iterator

from habari_local.config.settings import GITHUB_NAME
from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.rules.sign_in import open_to_the_world

OAUTH = "oauthenticator.oauth2.OAuthenticator"
GITHUB = "oauthenticator.github.GitHubOAuthenticator"
ELSEWHERE = ("ldapauthenticator.", "ltiauthenticator.")  # ask somebody else, and not by OAuth
OWN: tuple[str, ...] = (
    "jupyterhub.",
    "nativeauthenticator.",
    "firstuseauthenticator.",
    "tmpauthenticator.",
)
OWN += ("hmacauthenticator.",)


def kinds(evaluation: Evaluation) -> list[str]:
    """Return the class of the authenticator and its parents."""
    its = evaluation.get("authenticator", default={})
    return [its["class"], *its["bases"]] if its else []


def identity(evaluation: Evaluation) -> Iterator[Finding]:
    """Somebody else says who people are, never they themselves."""
    names = kinds(evaluation)
    if not names or OAUTH in names:
        return

    def finding(says: str, warning: bool = False) -> Finding:
        return of_trait(evaluation, "hub", "authenticator_class", says, warning)

    let_in = [evaluation.get("sign_in", "stranger"), *_listed(evaluation).values()]
    if any(each is True for each in let_in):
        yield finding("lets people in as whom they say they are, github was expected")
    elif names[0].startswith(OWN):
        yield finding("asks nobody who people are, github was expected")
    elif not names[0].startswith(ELSEWHERE):
        yield finding("who gets in can't be judged: it is no authenticator of OAuth", True)


def who_gets_in(evaluation: Evaluation) -> Iterator[Finding]:
    """No stranger gets in, nobody who once did; each who is listed does."""
    if not evaluation.get("sign_in") or OAUTH not in kinds(evaluation):
        return
    listed = _listed(evaluation)
    if not _public(evaluation) and not evaluation.get("origins", "Authenticator.allow_all"):
        return  # a provider of one's own lets in whom it knows: rules of words look at it
    if evaluation.get("sign_in", "stranger") is True:
        own = not open_to_the_world(evaluation.data)  # accounts that an organization gives
        says = "lets in everybody who has an account"
        yield of_trait(evaluation, "authenticator", "allow_all", says, own)
    elif evaluation.get("sign_in", "former") is True:
        says = "lets in whoever was let in once, taken off the lists or not"
        yield of_trait(evaluation, "authenticator", "allow_existing_users", says)
    for name, comes_in in listed.items():
        yield from _of_listed(evaluation, name, comes_in)
    everybody = evaluation.get("authenticator", "traits", "allow_all")
    if not (listed or everybody or _others(evaluation)):
        says = "nobody may sign in, allowed_users or allowed_organizations was expected"
        yield of_trait(evaluation, "authenticator", "allowed_users", says)


def client_id(evaluation: Evaluation) -> Iterator[Finding]:
    """GitHub is told which app asks; no secret, so that it stands in the values."""
    traits = evaluation.get("authenticator", "traits")
    if traits and GITHUB in kinds(evaluation) and not str(traits.get("client_id", "")).strip():
        says = "not set: GitHub refuses every sign-in"
        yield of_trait(evaluation, "authenticator", "client_id", says)


def who_stays(evaluation: Evaluation) -> Iterator[Finding]:
    """A session ends with the right to it; legal without, and dangerous."""
    if OAUTH not in kinds(evaluation) or evaluation.get("sign_in", "stranger") is True:
        return
    told = (
        ("former_stays", "allow_existing_users", "who is taken off the lists stays signed in"),
        ("former_admin", "admin_users", "who is taken off the list of admins stays one"),
        ("ex_member_stays", "allowed_organizations", "who leaves the organization stays signed in"),
    )
    for name, trait, says in told:
        if evaluation.get("sign_in", name) is True:
            told_how = f"{says}: hub.extraConfig.signIn of config.dist.yaml was expected"
            yield of_trait(evaluation, "authenticator", trait, told_how, True)
    if evaluation.get("sign_in", "ex_member") is True:
        says = "lets in who is no member of it"
        yield of_trait(evaluation, "authenticator", "allowed_organizations", says)


def _of_listed(evaluation: Evaluation, name: str, comes_in: object) -> Iterator[Finding]:
    github = GITHUB in kinds(evaluation)
    admins = evaluation.get("authenticator", "traits", "admin_users", default=[])
    trait = "admin_users" if name in admins else "allowed_users"
    if github and not GITHUB_NAME.fullmatch(name):
        says = "has an entry that is no GitHub name: nobody gets in by it"
        yield of_trait(evaluation, "authenticator", trait, says)
    elif comes_in is False:
        says = "has somebody whom the name that GitHub gives does not let in"
        yield of_trait(evaluation, "authenticator", trait, says)


def _public(evaluation: Evaluation) -> bool:
    """Whether anybody can have an account there: at GitHub itself."""
    url = evaluation.get("authenticator", "traits", "github_url", default="")
    return GITHUB in kinds(evaluation) and url == "https://github.com"


def _listed(evaluation: Evaluation) -> dict[str, object]:
    found: dict[str, object] = evaluation.get("sign_in", "listed", default={})
    return found


def _others(evaluation: Evaluation) -> bool:
    """Whether people get in by what they are a member of, or by what their provider says."""
    traits = evaluation.get("authenticator", "traits", default={})
    wanted = ("allowed_organizations", "allowed_groups", "admin_groups", "allowed_scopes")
    return any(
        value for name, value in traits.items()
        if name in wanted or (name.startswith("allowed_") and name != "allowed_users")
    )  # fmt: skip
