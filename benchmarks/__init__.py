"""How fast hl7bridge takes messages in, beside python-hl7's own server, on one machine in one run."""
