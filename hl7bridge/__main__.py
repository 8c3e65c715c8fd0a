"""``python -m hl7bridge``: the same as the ``hl7bridge`` command."""

from hl7bridge.cli.main import main

if __name__ == "__main__":
    main(prog_name="hl7bridge")
