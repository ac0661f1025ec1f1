"""`python -m gaal` is `gaal`."""

from gaal.cli.main import main

if __name__ == "__main__":
    main()
