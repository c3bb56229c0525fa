"""Ways of talking with a model, one file each."""
