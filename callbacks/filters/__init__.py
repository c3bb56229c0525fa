"""Pure grammars, one file per output format."""
