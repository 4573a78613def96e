"""Who gets in, and who says who somebody is: as made-up people found it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from habari_local.config.settings import GITHUB_NAME
from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.rules.sign_in import open_to_the_world
from habari_local.helm_values.values import Data

PROVIDER_URLS = ("authorize_url", "token_url", "userdata_url")
OAUTH = "oauthenticator.oauth2.OAuthenticator"
GITHUB = "oauthenticator.github.GitHubOAuthenticator"
GENERIC = "oauthenticator.generic.GenericOAuthenticator"
GITHUB_APP = "Iv"  # client IDs of GitHub Apps begin so, those of OAuth Apps do not
CONFINED = "where values are checked"  # of hub/habari_evaluation/confinement.py
ELSEWHERE = ("ldapauthenticator.", "ltiauthenticator.")  # ask somebody else, and not by OAuth
OWN: tuple[str, ...] = (
    "jupyterhub.",
    "nativeauthenticator.",
    "firstuseauthenticator.",
    "tmpauthenticator.",
)
OWN += ("hmacauthenticator.",)
# Of CILogon's providers: who gives an account to anybody that asks for one.
PUBLIC_PROVIDERS = re.compile(r"//(www\.)?(github|google|orcid|linkedin|login\.microsoftonline)\b")
# Where anybody signs up: of Microsoft's, the tenants that stand for all, or none.
WORLD = re.compile(
    r"https://(github\.com|gitlab\.com|bitbucket\.org|accounts\.google\.com|auth\.globus\.org"
    r"|login\.microsoftonline\.com/(common|organizations|consumers|oauth2))/"
)
# Scopes that act for others or show what is theirs, where no filter says whose.
ACTING = {"admin", "access", "servers", "users", "tokens", "groups", "proxy", "shutdown", "delete"}


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
    if _of_the_world(evaluation) and evaluation.get("sign_in", "stranger") is True:
        says = "lets in everybody who has an account"
        yield of_trait(evaluation, "authenticator", "allow_all", says)
        return
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
    yield from _of_organizations(evaluation)
    everybody = evaluation.get("authenticator", "traits", "allow_all")
    if not (listed or everybody or _others(evaluation)):
        says = "nobody may sign in, allowed_users or allowed_organizations was expected"
        yield of_trait(evaluation, "authenticator", "allowed_users", says)


def _of_organizations(evaluation: Evaluation) -> Iterator[Finding]:
    """Yield organizations that GitHub has none of: ORG or ORG:TEAM is what oauthenticator asks."""
    traits = evaluation.get("authenticator", "traits", default={})
    for each in traits.get("allowed_organizations") or () if GITHUB in kinds(evaluation) else ():
        name, _, team = str(each).partition(":")
        if not GITHUB_NAME.fullmatch(name) or not re.fullmatch(r"[\w-]*", team):
            says = "has an entry that is no organization of GitHub: ORG or ORG:TEAM was expected"
            yield of_trait(evaluation, "authenticator", "allowed_organizations", says)


def scopes(evaluation: Evaluation) -> Iterator[Finding]:
    """GitHub is asked for the right to see memberships: it makes them private by itself.

    Only of an OAuth App: a GitHub App has it as a permission, whatever is in `scope`
    (docs.github.com, "Differences between GitHub Apps and OAuth apps").
    """
    traits = evaluation.get("authenticator", "traits", default={})
    client = str(traits.get("client_id") or "")
    if GITHUB not in kinds(evaluation) or client.startswith(GITHUB_APP):
        return
    if {"read:org", "write:org", "admin:org"} & set(traits.get("scope") or ()):
        return
    unknown = not client  # it may be a GitHub App's
    if traits.get("allowed_organizations"):
        says = "without read:org in scope GitHub hides private memberships, as they are by default"
        yield of_trait(evaluation, "authenticator", "allowed_organizations", says, unknown)
    if traits.get("populate_teams_in_auth_state"):
        says = "without read:org in scope nobody's teams are read"
        yield of_trait(evaluation, "authenticator", "populate_teams_in_auth_state", says, unknown)


def providers(evaluation: Evaluation) -> Iterator[Finding]:
    """Each provider among several lets in its own people, not everybody who asks for an account."""
    traits = evaluation.get("authenticator", "traits", default={})
    idps = traits.get("idps") or traits.get("allowed_idps") or {}
    if not any(name.endswith(".CILogonOAuthenticator") for name in kinds(evaluation)):
        return
    if not idps:
        says = "not set: CILogon takes whoever any of its providers knows, idps was expected"
        yield of_trait(evaluation, "authenticator", "idps", says)
    for name, about in idps.items() if isinstance(idps, dict) else ():
        public = PUBLIC_PROVIDERS.search(str(name))
        if public and isinstance(about, dict) and about.get("allow_all"):
            says = "lets in everybody who has an account there"
            yield of_trait(evaluation, "authenticator", "allowed_idps", says)


def by_https(evaluation: Evaluation) -> Iterator[Finding]:
    """The provider is asked by https; the fake one of a test cluster is not, and is waived."""
    traits = evaluation.get("authenticator", "traits", default={})
    for name in PROVIDER_URLS if OAUTH in kinds(evaluation) else ():
        if str(traits.get(name) or "").startswith("http://"):
            says = "not https: who is on the way can say who people are"
            yield of_trait(evaluation, "authenticator", name, says)


def usable(evaluation: Evaluation) -> Iterator[Finding]:
    """The provider can be asked: it has addresses, and its certificate is looked at."""
    traits = evaluation.get("authenticator", "traits", default={})
    if not traits:
        return  # no authenticator was made, as the hub can't start: that is told, by its cause
    if traits.get("tls_strategy") == "insecure":  # of LDAPAuthenticator
        says = "passwords go over the network as they are, on_connect or before_bind was expected"
        yield of_trait(evaluation, "authenticator", "tls_strategy", says)
    ldap = any(name.startswith("ldapauthenticator.") for name in kinds(evaluation))
    if ldap and not traits.get("server_address"):
        says = "not set: nobody can sign in"
        yield of_trait(evaluation, "authenticator", "server_address", says)
    if OAUTH not in kinds(evaluation):
        return
    for name in PROVIDER_URLS:
        token = traits.get("userdata_from_id_token") or GENERIC not in kinds(evaluation)
        told_otherwise = name == "userdata_url" and token  # Azure's token says who it is
        address = str(traits.get(name) or "")
        if not address and not told_otherwise:
            says = "not set: nobody can sign in"
            yield of_trait(evaluation, "authenticator", name, says)
        elif address and not re.match(r"https?://[\w.-]+", address):
            says = "no address by https: nobody can sign in"
            yield of_trait(evaluation, "authenticator", name, says)
    yield from _of_github(evaluation, traits)
    api = str(traits.get("github_api") or "")
    if GITHUB in kinds(evaluation) and traits.get("userdata_url") != f"{api}/user":
        says = f"is not where GitHub tells who somebody is, {api}/user was expected"
        yield of_trait(evaluation, "authenticator", "userdata_url", says)
    if traits.get("validate_server_cert") is False:
        says = "anybody on the way can say who people are, true was expected"
        yield of_trait(evaluation, "authenticator", "validate_server_cert", says)


def _of_github(evaluation: Evaluation, traits: Data) -> Iterator[Finding]:
    """Yield addresses at which GitHub, its own or a company's, has no page for apps."""
    base = str(traits.get("github_url") or "").rstrip("/")
    for name, page in (("authorize_url", "authorize"), ("token_url", "access_token")):
        address, wanted = str(traits.get(name) or ""), f"{base}/login/oauth/{page}"
        if GITHUB in kinds(evaluation) and base and address not in ("", wanted):
            says = f"is no page of GitHub's for this, {wanted} was expected: nobody can sign in"
            yield of_trait(evaluation, "authenticator", name, says)


def rights_of_users(evaluation: Evaluation) -> Iterator[Finding]:
    """A user who is no admin acts for nobody else."""
    if evaluation.get("sign_in", "made_admin") is True:
        says = "makes whoever signs in an admin"
        hooked = evaluation.get("authenticator", "traits", "post_auth_hook")
        trait = "post_auth_hook" if hooked else "admin_users"
        yield of_trait(evaluation, "authenticator", trait, says)
    wide = [
        scope
        for scope in evaluation.get("user_scopes", default=[])
        if "!" not in scope and scope.split(":")[0] in ACTING and scope != "access:services"
    ]
    if wide:
        says = f"every user may do for everybody what {wide[0]} is: a filter was expected"
        yield Finding(("hub", "loadRoles", "user", "scopes"), says)


def rights_to_start(evaluation: Evaluation) -> Iterator[Finding]:
    """A user may start a server, and open it."""
    scopes = evaluation.get("user_scopes")
    roles = evaluation.get("roles", default=[])
    others = [each for each in roles if each.get("name") != "user" and each.get("groups")]
    if scopes is None or others:
        return
    for name in ("servers", "access:servers"):
        if not any(each.partition("!")[0] == name for each in scopes):
            says = f"without {name} no user starts a server, self was expected"
            yield Finding(("hub", "loadRoles", "user", "scopes"), says)
            return


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
    elif github and isinstance(comes_in, str) and not comes_in.endswith(CONFINED):
        hooked = evaluation.get("authenticator", "traits", "post_auth_hook")
        says = f"nobody can sign in: {comes_in.partition(':')[0]} while somebody does"
        yield of_trait(evaluation, "authenticator", "post_auth_hook" if hooked else trait, says)
    elif comes_in is False:
        says = "has somebody whom the name that GitHub gives does not let in"
        yield of_trait(evaluation, "authenticator", trait, says)


def _public(evaluation: Evaluation) -> bool:
    """Whether anybody can have an account there: at GitHub itself."""
    url = evaluation.get("authenticator", "traits", "github_url", default="")
    return GITHUB in kinds(evaluation) and url == "https://github.com"


def _of_the_world(evaluation: Evaluation) -> bool:
    """Whether the provider that is asked gives an account to anybody, and nothing narrows that."""
    traits = evaluation.get("authenticator", "traits", default={})
    narrowed = any(traits.get(name) for name in ("hosted_domain", "identity_provider"))
    return bool(WORLD.match(str(traits.get("authorize_url") or ""))) and not narrowed


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
