"""The pods of users' servers, as KubeSpawner would send them to Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

from jupyterhub import orm, scopes
from jupyterhub.utils import maybe_future
from traitlets import TraitError

from habari_evaluation import object_types
from habari_evaluation.configuration import failure

USER, OTHER = "habari-made-up", "habari-other"
MOST = 40  # choices of profiles that are tried: each is a pod
PROFILE = ("display_name", "description", "slug", "default", "kubespawner_override")
CHART = ("memory", "cpu", "storage", "extraResource", "extraEnv", "nodeSelector", "cmd")
TYPED = "habari/typed-by-the-user"  # what a user writes into a free field


async def manifests(app: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a pod for each choice of somebody who starts a server, and what keeps one from it."""
    pods: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    try:
        spawner = _spawner(app)
        profiles = spawner.__dict__.get("profile_list", getattr(spawner, "profile_list", None))
        if callable(profiles):
            profiles = await maybe_future(profiles(spawner))
        failures += _unknown_traits(spawner, profiles)
        await spawner.get_options_form()
        failures += _unreached(spawner, profiles)
        await _scopes(spawner)
    except Exception as error:
        return [], [_failure(error, "")]
    for name, options in [*_choices(spawner, profiles)][:MOST]:
        try:
            spawner = _spawner(app)
            spawner.user_options = options
            await _load(spawner)
            pods.append({"choice": name, **await _made(spawner)})
        except Exception as error:
            failures.append(_failure(error, name))
    return pods, failures


async def _scopes(spawner: Any) -> None:
    """Raise KeyError where a server's token is to have scopes that JupyterHub does not know."""
    wanted = spawner.server_token_scopes
    if callable(wanted):
        wanted = await maybe_future(wanted(spawner))
    if wanted:
        scopes._check_scopes_exist(set(wanted), who_for="servers")


async def of_another(app: Any) -> dict[str, Any]:
    """Return what somebody else gets who asks for nothing: to see what the two share."""
    try:
        spawner = _spawner(app, OTHER)
        spawner.user_options = {}
        await _load(spawner)
        return await _made(spawner)
    except Exception:
        return {}  # told of the first one


async def _made(spawner: Any) -> dict[str, Any]:
    pod, volume = await _pod(spawner), _volume(spawner)
    invalid = [*object_types.problems(pod), *object_types.problems(volume)]
    return {"pod": pod, "volume": volume, "invalid": invalid}


def _unknown_traits(spawner: Any, profiles: Any) -> list[dict[str, Any]]:
    """Return what a profile sets and the spawner does not have: it would be without effect."""
    found = []
    for profile in profiles if isinstance(profiles, list) else ():
        title = str(profile.get("display_name", ""))
        found += [_of_profile(title, says) for says in _misplaced(spawner, profile)]
        options = (profile.get("profile_options") or {}).values()
        choices = [each for about in options for each in (about.get("choices") or {}).values()]
        for each in (profile, *choices):
            for name in each.get("kubespawner_override") or ():
                if not hasattr(spawner, str(name)):
                    says = f"KubeSpawner has nothing called {name}, which a profile sets"
                    found.append(failure("pod", AttributeError(says), choice=title))
    return found


def _misplaced(spawner: Any, profile: Any) -> Iterator[str]:
    """Yield what of a profile is without effect: KubeSpawner reads other keys of it."""
    for name in profile:
        if name in CHART or (spawner.has_trait(name) and name not in PROFILE):
            yield f"{name} stands beside kubespawner_override, where nothing reads it"


def _unreached(spawner: Any, profiles: Any) -> list[dict[str, Any]]:
    """Return profiles that nobody gets: KubeSpawner takes the first one with the slug of a form.

    A form's slug is text; without one, a user gets the default.
    """
    if not profiles or not hasattr(spawner, "_get_initialized_profile_list"):
        return []
    found, slugs = [], set()
    profiles = spawner._get_initialized_profile_list(profiles)
    default = next((each for each in profiles if each.get("default")), None)
    for profile in profiles:
        title, slug = str(profile.get("display_name", "")), profile["slug"]
        if not isinstance(slug, str):
            found.append(_of_profile(title, "its slug is no text: nobody gets this one"))
        elif slug in slugs:
            says = f"another profile has the slug {slug} too: nobody gets this one"
            found.append(_of_profile(title, says))
        elif not slug and profile is not default:
            says = "its slug is empty, and without one a user gets the default: nobody gets this"
            found.append(_of_profile(title, says))
        slugs.add(slug)
    return found


def _of_profile(title: str, says: str) -> dict[str, Any]:
    return {"stage": "profile", "error": "", "message": says, "where": None, "choice": title}


def _spawner(app: Any, name: str = USER) -> Any:
    """Return the spawner of a made-up user, with no Kubernetes behind it."""
    import kubespawner.spawner

    kubespawner.spawner.load_config = lambda **_: None
    kubespawner.spawner.shared_client = lambda *_, **__: MagicMock()
    user = orm.User.find(app.db, name)
    if user is None:
        user = orm.User(name=name)
        app.db.add(user)
        app.db.commit()
    return app.users[user]._new_spawner("")


def _choices(spawner: Any, profiles: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a user can ask for: nothing, each profile, each choice of its options."""
    yield "", {}
    if not profiles or not hasattr(spawner, "_get_initialized_profile_list"):
        return
    for profile in spawner._get_initialized_profile_list(profiles):
        slug, title = profile["slug"], str(profile.get("display_name", profile["slug"]))
        asked = {
            option: list(about.get("choices") or ())
            for option, about in (profile.get("profile_options") or {}).items()
        }
        first = {option: choices[0] for option, choices in asked.items() if choices}
        yield title, {"profile": slug}
        for option, choices in asked.items():
            for choice in choices:
                yield f"{title}, {choice}", {"profile": slug, **first, option: choice}
            about = (profile["profile_options"][option].get("unlisted_choice")) or {}
            if about.get("enabled"):
                rest = {key: each for key, each in first.items() if key != option}
                typed = {f"{option}--unlisted-choice": TYPED}
                if not about.get("validation_regex"):
                    yield f"{title}, typed by the user", {"profile": slug, **rest, **typed}


async def _load(spawner: Any) -> None:
    """Lay a profile over the spawner, as `start` does."""
    if hasattr(spawner, "load_user_options"):
        await maybe_future(spawner.load_user_options())
    if hasattr(spawner, "run_pre_spawn_hook"):
        hook = spawner.pre_spawn_hook
        if hook:
            await maybe_future(spawner.run_pre_spawn_hook())


async def _pod(spawner: Any) -> Any:
    from kubernetes_asyncio.client import ApiClient

    if not hasattr(spawner, "get_pod_manifest"):
        raise TypeError("the spawner makes no pods, KubeSpawner was expected")
    pod = await spawner.get_pod_manifest()
    hook = getattr(spawner, "modify_pod_hook", None)
    if hook:
        pod = await maybe_future(hook(spawner, pod))
        if pod is None:
            raise TypeError("modify_pod_hook returned nothing, the pod was expected")
    return ApiClient.__new__(ApiClient).sanitize_for_serialization(pod)


def _volume(spawner: Any) -> Any:
    from kubernetes_asyncio.client import ApiClient

    if not spawner.storage_pvc_ensure:
        return None
    return ApiClient.__new__(ApiClient).sanitize_for_serialization(spawner.get_pvc_manifest())


def _failure(error: Exception, choice: str) -> dict[str, Any]:
    if isinstance(error, TraitError):
        return failure("spawner", error, choice=choice)
    return failure("pod", error, choice=choice)
