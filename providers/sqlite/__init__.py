"""One file each for events and rows: durable, no server."""
