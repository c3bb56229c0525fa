"""Documents of one's own: read, split, indexed, found again."""
