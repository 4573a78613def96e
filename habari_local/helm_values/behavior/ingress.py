"""Whether an Ingress that Kubernetes takes is one that its controllers and cert-manager serve.

By their documentation: kubernetes.github.io/ingress-nginx ("Annotations"), cert-manager.io
("Annotated Ingress resource"), and the API server's validation of Ingress.
"""

from __future__ import annotations

from collections.abc import Iterator

from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.behavior.object_values import items
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, map_at, text_at

ANNOTATIONS: Place = ("ingress", "annotations")
NGINX = "nginx.ingress.kubernetes.io"
CLASS = "kubernetes.io/ingress.class"
ISSUERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
BY_TLS = ("HTTPS", "GRPCS")  # protocols that the chart's proxy does not speak behind an ingress


def served(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub is reached through each Ingress, by a certificate that is made for it."""
    for made in evaluation.manifests:
        if made.get("kind") == "Ingress":
            annotations = map_at(made, "metadata", "annotations")
            yield from _of_annotations(annotations)
            yield from _of_class(made, annotations)
            yield from _of_certificates(made, annotations)
            yield from _of_redirects(evaluation)


def _of_annotations(annotations: Data) -> Iterator[Finding]:
    protocol = f"{NGINX}/backend-protocol"
    if str(annotations.get(protocol, "")).upper() in BY_TLS:
        says = "the proxy behind it speaks HTTP: each page is 502"
        yield Finding((*ANNOTATIONS, protocol), says)
    target = f"{NGINX}/rewrite-target"
    if target in annotations and "$" not in str(annotations[target]):
        says = "every address becomes this one: nobody gets to a page of the hub"
        yield Finding((*ANNOTATIONS, target), says)


def _of_class(made: Data, annotations: Data) -> Iterator[Finding]:
    if CLASS in annotations and text_at(made, "spec", "ingressClassName"):
        says = "Kubernetes refuses Ingress: it has a class in ingressClassName too"
        yield Finding((*ANNOTATIONS, CLASS), says)


def _of_certificates(made: Data, annotations: Data) -> Iterator[Finding]:
    issuers = [name for name in ISSUERS if annotations.get(name)]
    if len(issuers) > 1:
        says = f"cert-manager makes no certificate where {issuers[1]} is set too"
        yield Finding((*ANNOTATIONS, issuers[0]), says)
    for number, entry in items(at(made, ("spec", "tls"))):
        if issuers and not entry.get("secretName"):
            says = "not set: cert-manager makes no certificate for an entry without it"
            # The controller may have a certificate for all: it is not in the values.
            yield Finding(("ingress", "tls", number, "secretName"), says, True)


def _of_redirects(evaluation: Evaluation) -> Iterator[Finding]:
    https = map_at(evaluation.whole, "proxy", "https")
    if https.get("enabled") is True and https.get("type") in ("secret", "manual"):
        says = "the ingress comes by http, and the proxy sends it to https for ever"
        yield Finding(("proxy", "https", "enabled"), f"{says}: false was expected")
