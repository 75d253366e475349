"""Measures, each stated once: pure functions of arrays, below everything that judges with them."""
