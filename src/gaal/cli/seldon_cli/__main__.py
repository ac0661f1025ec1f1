"""`python -m gaal.cli.seldon_cli`."""

from gaal.cli.seldon_cli import main

main()
