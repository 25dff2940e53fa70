"""What the tests of processes share: a small domain, real processes to hurt, and what the rows have to be afterwards."""
