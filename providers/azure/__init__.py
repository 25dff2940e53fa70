"""Microsoft Azure: Web PubSub sockets."""
