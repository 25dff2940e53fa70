"""What `costs` computes, against the sources it was read from."""
