"""Mesh files: OBJ, GLB, PLY, their materials and textures."""
