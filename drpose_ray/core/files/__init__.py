"""Files from anybody: read within bounds, refused by name; written under their name when they are whole."""
