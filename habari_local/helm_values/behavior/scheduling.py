"""Whether somebody gives users' pods a node, and in the order that is meant."""

from __future__ import annotations

from collections.abc import Iterator

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Place, at, text_at

SCHEDULER: Place = ("scheduling", "userScheduler")
PRIORITY: Place = ("scheduling", "podPriority")
NAME = "user-scheduler"


def scheduled(evaluation: Evaluation) -> Iterator[Finding]:
    """The scheduler that users' pods wait for runs; placeholders give way to users."""
    yield from _of_scheduler(evaluation)
    classes = {
        text_at(made, "metadata", "name"): made.get("value")
        for made in evaluation.manifests
        if made.get("kind") == "PriorityClass"
    }
    places = [
        value for name, value in classes.items() if name.endswith("user-placeholder-priority")
    ]
    users = [value for name, value in classes.items() if name.endswith("default-priority")]
    for place, user in zip(places, users, strict=False):
        if isinstance(place, int) and isinstance(user, int) and place >= user:
            says = f"placeholders do not give way to users: less than {user} was expected"
            yield Finding((*PRIORITY, "userPlaceholderPriority"), says)


def _of_scheduler(evaluation: Evaluation) -> Iterator[Finding]:
    pods = evaluation.get("pods", default=[])
    wanted = {text_at(each["pod"], "spec", "schedulerName") for each in pods}
    ours = sorted(name for name in wanted if name.endswith(NAME))  # with the release's before it
    for name in ours[:1] if evaluation.manifests else ():
        running = [
            made
            for made in evaluation.manifests
            if made.get("kind") == "Deployment" and text_at(made, "metadata", "name").endswith(NAME)
        ]
        if not running:
            says = f"servers wait for the scheduler {name}, which the chart does not make"
            yield of_trait(evaluation, "spawner", "scheduler_name", says)
        elif at(running[0], ("spec", "replicas")) == 0:
            says = "none: servers wait for a scheduler that does not run"
            yield Finding((*SCHEDULER, "replicas"), says)
