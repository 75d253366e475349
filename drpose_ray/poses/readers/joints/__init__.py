"""Motions that give joints or angles of another skeleton, carried to ours."""
