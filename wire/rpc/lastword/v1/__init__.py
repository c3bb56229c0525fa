"""Version 1: what it says stays as it is."""
