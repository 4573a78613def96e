"""Starts a user's server as `jupyterhub-singleuser` does, with Python's garbage collector resting.

What is imported lives as long as the server; looking through it for garbage again and again takes a
tenth of the start. jupyter_server_config.py, read when all is imported, lets the collector begin.
"""

import gc

gc.disable()

from jupyterhub.singleuser import main  # noqa: E402

if __name__ == "__main__":
    main()
