"""Outside judges of pose: networks that others trained, on other people, for other ends."""
