"""`python -m agents`: all commands, as `handoff`."""

from agents.cli import main

main()
