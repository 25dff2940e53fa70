"""The command line: one more host, for people."""
