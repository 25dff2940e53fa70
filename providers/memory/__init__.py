"""In process: the meaning of every port, and what simulation runs on."""
