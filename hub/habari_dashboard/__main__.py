"""Starts the dashboard; what it needs is imported when somebody first asks for it.

JupyterHub's classes take half a second and 45 MB, which most hours of most platforms never need. So
the first request waits that long, and until then this is a socket and Python.
"""

import os
import select
import socket


def main() -> None:
    """Listen at HABARI_DASHBOARD_BIND, and serve once a first request has come."""
    host, _, port = os.environ["HABARI_DASHBOARD_BIND"].rpartition(":")
    with socket.create_server((host, int(port))) as listener:
        try:
            select.select([listener], [], [])
        except KeyboardInterrupt:  # how the hub ends its services
            return
        from habari_dashboard.app import serve

        serve(listener)


if __name__ == "__main__":
    main()
