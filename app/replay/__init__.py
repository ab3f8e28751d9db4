"""Replay: the core over recorded files, with no Kafka at all. The only part of app that does I/O."""

from app.replay.run import Options, Report, replay

__all__ = ["Options", "Report", "replay"]
