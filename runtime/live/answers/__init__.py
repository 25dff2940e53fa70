"""From a request to its answer, or to the plan of what it follows."""
