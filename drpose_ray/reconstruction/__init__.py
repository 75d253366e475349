"""Six views become a mesh (Sec. 3.3): what draws a mesh differentiably, and what carves it."""
