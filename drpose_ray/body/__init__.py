"""Bodies in SMPL-X layout: the licensed model or its free stand-in, clothed and drawn."""
