"""Typed settings: defaults < preset < flags."""
