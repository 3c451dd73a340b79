"""One file for each command of ``xqg``: flags in, one call, output. No logic."""
