"""The seeded simulation: the shipped cores over the shipped memory providers, on one thread, in any order and through any fault."""
