"""All that a search is made of, and how each of its processes runs it."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit.data import random_split
from rankkit.tuning import cluster
from rankkit.tuning.directory import claimed, compare
from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.identity import describe_search
from rankkit.tuning.journal import Journal, read_journal
from rankkit.tuning.journaled import Journaled
from rankkit.tuning.progress import Progress
from rankkit.tuning.pruning import rungs_of
from rankkit.tuning.tensorboard import TENSORBOARD, log_experiment
from rankkit.tuning.trial_runs import PROJECT, TrialRuns
from rankkit.tuning.tuners import make_oracle
from rankkit.tuning.workers import run_on_this_machine

JOURNAL = "journal.jsonl"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a search, checked. It can be pickled.

    Attributes:
        hypermodel: What builds and trains the models.
        columns: The training rows.
        directory: The folder of the search.
        objective: What is best.
        tuner: Name of the tuner.
        max_trials: How many trials there may be.
        epochs: The most that a trial is trained for.
        patience: Epochs without improvement that end a trial.
        prune: Whether trials end early that are behind the ones before them.
        validation_fraction: Share of the training rows that the trials are judged by.
        executions_per_trial: How often each trial is run.
        max_consecutive_failed_trials: Failures in a row that end the search.
        seed: Chooses all that is random.
        workers: How many processes train at a time.
        chief_timeout: Seconds that a worker waits for the chief.
        verbose: 0 for silence.
    """

    hypermodel: RankingHyperModel
    columns: dict[str, np.ndarray]
    directory: Path
    objective: kt.Objective
    tuner: str
    max_trials: int
    epochs: int
    patience: int
    prune: bool
    validation_fraction: float
    executions_per_trial: int
    max_consecutive_failed_trials: int
    seed: int
    workers: int
    chief_timeout: float
    verbose: int

    def make_oracle(self) -> Journaled:
        """Makes the oracle, at the very beginning of the search."""
        return make_oracle(
            self.tuner,
            self.hypermodel.space,
            objective=self.objective,
            max_trials=self.max_trials,
            epochs=self.epochs,
            seed=self.seed,
            max_consecutive_failed_trials=self.max_consecutive_failed_trials,
        )

    def identity(self) -> dict[str, Any]:
        """Describes all that the results depend on, in JSON's types."""
        return describe_search(
            self.hypermodel,
            self.columns,
            tuner=self.tuner,
            # A grid is laid for its number of points, a schedule for its epochs.
            max_trials=self.max_trials if self.tuner in ("grid", "hyperband") else None,
            objective=[self.objective.name, self.objective.direction],
            epochs=self.epochs,
            patience=self.patience,
            prune=self.prune,
            validation_fraction=self.validation_fraction,
            executions_per_trial=self.executions_per_trial,
            seed=self.seed,
        )

    def claimed(self, *, overwrite: bool) -> contextlib.AbstractContextManager[None]:
        """Holds the directory for this search, from which no other process is to search."""
        parts = [JOURNAL, TENSORBOARD, PROJECT]
        return claimed(self.directory, self.identity(), overwrite=overwrite, parts=parts)

    def progress(self, oracle: Journaled) -> Progress:
        """Makes what shows how the search goes."""
        names = self.hypermodel.space.searched
        return Progress(names, total=oracle.expected_trials, verbose=self.verbose)

    def _take_part(self) -> None:
        part = cluster.own_part()
        if part.role == "worker":
            cluster.wait_for_chief(part, self.chief_timeout)
            self._work(part)
        else:
            self.run()

    def join(self) -> None:
        """Works in a search that was begun by another process, if it is this very search.

        Raises:
            ValueError: If it is another.
            TimeoutError: If there is no chief.
        """
        part = cluster.own_part()
        try:
            cluster.wait_for_chief(part, self.chief_timeout)
        except TimeoutError:
            if self._events()[-1:] == ["complete"]:  # the others were faster
                return
            raise
        compare(self.directory, self.identity())
        self._work(part)

    def _work(self, part: cluster.Part) -> None:
        self._tuner(self.make_oracle(), part, verbose=0).search(*self._split())

    def run(self) -> Journaled:
        """Runs the search: alone, or as the chief that others work for.

        Returns:
            The oracle, which knows all trials.
        """
        part = cluster.own_part()
        if part.address is not None:
            cluster.check_port_is_free(part.address)
        journal = Journal(self.directory / JOURNAL)
        try:
            oracle = self.make_oracle()
            tuner = self._tuner(oracle, part, verbose=self.verbose)
            oracle.replay(read_journal(journal.path))
            if oracle.trials:
                tuner.progress.say(f"going on after {len(oracle.ended)} trials")
            space, objective = self.hypermodel.space, self.objective.name
            log_experiment(self.directory / TENSORBOARD, space, objective)
            oracle.write_to(journal, tuner.progress)
            tuner.search(*self._split())
        finally:
            journal.close()
        return oracle

    def run_here(self) -> Journaled:
        """Runs the search by several processes on this machine.

        Returns:
            The oracle, which knows all trials.
        """
        if not (oracle := self._outcome()).is_complete:
            before = len(self._events())

            def has_ended() -> bool:
                return not {"complete", "stopped"}.isdisjoint(self._events()[before:])

            run_on_this_machine(self._take_part, self.workers, has_ended)
            oracle = self._outcome()
        return oracle

    def _outcome(self) -> Journaled:
        oracle = self.make_oracle()
        self._tuner(oracle, cluster.own_part(), verbose=0)
        oracle.replay(read_journal(self.directory / JOURNAL))
        return oracle

    def _events(self) -> list[str]:
        return [event["event"] for event in read_journal(self.directory / JOURNAL)]

    def _tuner(self, oracle: Journaled, part: cluster.Part, *, verbose: int) -> TrialRuns:
        # keras-tuner would reload what is replayed here.
        (self.directory / PROJECT / f"{part.tuner_id}.json").unlink(missing_ok=True)
        return TrialRuns(
            oracle,
            self.hypermodel,
            directory=self.directory,
            epochs=self.epochs,
            patience=self.patience,
            seed=self.seed,
            executions_per_trial=self.executions_per_trial,
            rungs=rungs_of(self.epochs) if self.prune else (),
            progress=dataclasses.replace(self, verbose=verbose).progress(oracle),
        )

    def _split(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return random_split(self.columns, test_fraction=self.validation_fraction, seed=self.seed)
