"""The same gateway where nobody holds a socket or a subscriber in memory: every message is one call, all state is rows."""
