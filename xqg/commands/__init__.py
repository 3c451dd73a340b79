"""The commands of ``xqg``, related ones in one file: flags in, one call, output. No logic."""
