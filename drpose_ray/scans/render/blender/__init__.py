"""Cycles, in a process of its own (ADR 0012)."""
