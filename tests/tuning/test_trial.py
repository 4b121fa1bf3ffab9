"""How a trial's model is built."""

import signal

import keras_tuner as kt
import pytest

from rankkit.tuning.trial import build_model


def test_an_interrupt_during_garbage_collection_is_not_lost():
    class Finalized:
        """Is in a cycle, and interrupts the process when it is collected."""

        def __init__(self):
            self.self = self

        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)  # a Spark session has its own
    Finalized()
    with pytest.raises(KeyboardInterrupt):
        build_model(None, kt.HyperParameters(), seed=1)
    assert signal.getsignal(signal.SIGINT) is handler
