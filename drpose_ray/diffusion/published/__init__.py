"""Model folders as PSHuman and Era3D publish them: read strictly, written alike."""
