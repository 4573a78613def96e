"""`python3 -m netpol`: follows the API, keeps the rules in force, answers the plugin netpol-cni.

With `--beside`, for a node that has a network of its own: only the rules, by what the API says.
"""

from __future__ import annotations

import json
import os
import re
import socketserver
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch

from netpol.state import State

SOCKET = Path("/run/netpol.sock")
SERVICES = "http://127.0.0.1:10256/healthz"  # of kube-proxy, on the node
SECONDS = 20.0  # less than the plugin waits
WATCH_SECONDS = 300  # then asked anew, as a connection may be dead without saying so
RETRY_SECONDS = 0.5


def follow(state: State, kind: str, listing: Callable[..., Any]) -> None:
    """Keep a kind of object as the API has it: list, watch, and list again when that ends."""
    pause = threading.Event()
    while True:
        try:
            response = listing(_preload_content=False, _request_timeout=10)
            found = json.loads(response.data)
            state.replace(kind, found["items"])
            since = found["metadata"]["resourceVersion"]
            limits = {"timeout_seconds": WATCH_SECONDS, "_request_timeout": WATCH_SECONDS + 30}
            events: Any = watch.Watch()  # type: ignore[no-untyped-call]
            for event in events.stream(listing, resource_version=since, **limits):
                state.put(kind, event["raw_object"], gone=event["type"] == "DELETED")
        except Exception as error:  # noqa: BLE001 (whatever it was: what is in force stays, and it asks anew)
            sys.stderr.write(f"{kind}: {type(error).__name__}: {error}\n")
            pause.wait(RETRY_SECONDS)


class Plugin(socketserver.StreamRequestHandler):
    """One pod that gets its interface (lines of JSON): its addresses, then its address held."""

    state: State
    timeout = 60

    def handle(self) -> None:
        """Say which addresses are ours; answer once the rules hold for the one that was taken."""
        first = json.loads(self.rfile.readline())
        self._say({"subnet": self.state.subnet(SECONDS)})
        taken = json.loads(self.rfile.readline() or "{}")
        if taken:
            pod = (first["namespace"], first["name"])
            self._say({"held": self.state.give(taken["address"], pod, SECONDS)})

    def _say(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def connect() -> None:
    """Use the pod's own rights, but the API server's own address: kube-proxy may not be up yet."""
    kubelet = Path("/etc/kubernetes/kubelet.conf").read_text(encoding="utf-8")
    found = re.search(r"server: https://(\S+):(\d+)", kubelet)
    if found:
        os.environ.update(KUBERNETES_SERVICE_HOST=found[1], KUBERNETES_SERVICE_PORT=found[2])
    config.load_incluster_config()  # type: ignore[no-untyped-call]


def serve() -> None:
    """Let pods start, once kube-proxy has the Services: who asks for one before may give up."""
    SOCKET.unlink(missing_ok=True)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(SERVICES, timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    socketserver.ThreadingUnixStreamServer(str(SOCKET), Plugin).serve_forever()


def fail(thread: threading.ExceptHookArgs) -> None:
    """End all with one thread: half an enforcer would not be started anew."""
    threading.__excepthook__(thread)
    os._exit(1)


def main() -> None:
    """Run until a thread fails: the rules stay, new pods wait, and the kubelet starts it anew."""
    connect()
    beside = "--beside" in sys.argv
    state = Plugin.state = State(os.environ["NODE_NAME"], routed=not beside)
    core, network = client.CoreV1Api(), client.NetworkingV1Api()
    listings = {
        "policies": network.list_network_policy_for_all_namespaces,
        "namespaces": core.list_namespace,
        "pods": core.list_pod_for_all_namespaces,
        "nodes": core.list_node,
    }
    for kind, listing in listings.items():
        threading.Thread(target=follow, args=(state, kind, listing), daemon=True).start()
    threading.excepthook = fail
    if not beside:
        threading.Thread(target=serve, daemon=True).start()
    state.load_forever()


if __name__ == "__main__":
    main()
