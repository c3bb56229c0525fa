"""How it leaves: one file per protocol."""
