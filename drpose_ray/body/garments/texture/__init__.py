"""Textures that are painted, not photographed: cloth, skin, faces, hair."""
