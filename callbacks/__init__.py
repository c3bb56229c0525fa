"""How talk becomes events."""
