"""Configuration: handoff.toml and channels.toml, checked, with errors that name the key."""

from app.config.channels import ChannelTables, parse_channels, read_channels
from app.config.errors import ConfigError
from app.config.live import unready
from app.config.settings import Settings, load_settings

__all__ = ["ChannelTables", "ConfigError", "Settings", "load_settings", "parse_channels", "read_channels", "unready"]
