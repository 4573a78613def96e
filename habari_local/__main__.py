"""Starting the tool: `habari-local`, or `python -m habari_local` where that is not on PATH."""

import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line.

    Where PYTHONDONTWRITEBYTECODE is set (container images like to), compiling it all again makes
    each call 0.4 s slower. The wish behind it, no caches beside sources, is kept: what is compiled
    goes into the tool's own environment.
    """
    if sys.dont_write_bytecode:
        sys.pycache_prefix = f"{sys.prefix}/pycache"
        sys.dont_write_bytecode = False
    from habari_local.cli import main
    from habari_local.core.console import outlive_readers

    outlive_readers()
    main()


if __name__ == "__main__":
    run()
