"""Run the command line as `python -m mathstrap`."""

from mathstrap.cli import main

main()
