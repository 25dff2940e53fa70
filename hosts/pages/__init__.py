"""Pages for people: what a browser sees of a gateway that runs on one's own machine."""
