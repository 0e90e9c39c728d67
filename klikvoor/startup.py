"""Refuse to start on unsafe settings, a wrong key or an outdated database, and say why."""
