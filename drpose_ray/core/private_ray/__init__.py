"""A Ray of one job's own, open to nobody else (ADR 0013)."""
