"""BlazePose reads one skeleton in each of the six views, and the six are triangulated (docs/judges.md)."""
