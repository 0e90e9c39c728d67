"""Filters for the pages of the roster."""
