"""Garments, shoes and hair of MakeHuman: read, fitted to a body, painted and posed with it."""
