"""What a run needs that no package brings: this machine, and the licensed parts that only their owners give out."""
