"""The protocol on a server: tables, messages and frames without I/O, and the drivers of WebSocket and HTTP above them."""
