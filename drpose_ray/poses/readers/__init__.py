"""Motion files of any origin as clips of Motion-X rows."""
