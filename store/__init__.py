"""Redis or Valkey behind the engine: keys, log, commit, programmes, reads, and the embedded server."""
