"""How fast, measured side by side against servers as people write them."""
