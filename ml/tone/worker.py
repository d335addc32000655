"""A process that reads texts by embeddings: a line of JSON in, a line of JSON out, until its input ends.

``channels.local_model`` runs it. It is a process of its own because the network is foreign C code: should a text end
it, nothing else ends; and its 70 MB are given back when nobody needs them.
"""

import importlib
import sys

import msgspec

from ml.tone.embedded import PACKAGE, shipped, shortened


def main() -> None:
    """Answer ``{"text"}`` with ``{"mood", "confidence", "model"}``, or ``{}`` where that is not clear."""
    network, head = importlib.import_module(PACKAGE), shipped()
    network.query("warm")  # the first text would wait for the weights
    for line in sys.stdin.buffer:
        text = str(msgspec.json.decode(line)["text"])
        said = head.judged(network.query(shortened(text))) if text.strip() else {}
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
