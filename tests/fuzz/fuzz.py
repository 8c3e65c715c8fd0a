r"""Coverage-guided fuzzing of everything that reads a sender's bytes. Not a test: it runs until it is stopped.

    pip install atheris
    python tests/fuzz/fuzz.py -max_total_time=1800 -timeout=10 -max_len=2048 -dict=tests/fuzz/hl7.dict \
        FOUND tests/fuzz/corpus

FOUND is a folder for the inputs that reached something new. A finding stops the run and writes ``crash-...`` in the
current folder; replay it with the same program and that file as the only argument. ``-merge=1 SMALL FOUND`` keeps
of FOUND what adds coverage; what is worth keeping goes to tests/fuzz/corpus, where a test replays it. Inputs hold
invented people only: they come from the corpus and from chance.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["hl7bridge"]):
    from target import run_one

if __name__ == "__main__":
    # What LibFuzzer starts again for each part of a merge.
    atheris.Setup([f"{sys.executable} {__file__}", *sys.argv[1:]], run_one)
    atheris.Fuzz()
