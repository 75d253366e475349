"""The image-to-multi-view diffusion model: six normals and six colours from one photo."""
