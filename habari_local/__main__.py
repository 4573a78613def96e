"""`python -m habari_local`, where the program's own name is not on PATH."""

from habari_local.cli import main

if __name__ == "__main__":
    main()
