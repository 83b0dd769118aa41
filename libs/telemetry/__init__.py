"""Logs of every process."""
