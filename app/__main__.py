"""`python -m app`: the commands that need no Kafka."""

from app.cli import main

main()
