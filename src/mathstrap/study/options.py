"""The options of a study: questions, bootstrap, arms, sizes, how they are matched, training and evaluation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mathstrap.errors import RecipeError, check_name
from mathstrap.evaluate import EvalOptions
from mathstrap.pipeline.options import RunRecipe
from mathstrap.train import TrainRecipe
from mathstrap.types import Method, Outcome

Part = Literal["split", "bootstrap", "plan"]
Match = Literal["samples", "tokens", "passes", "steps"]
PARTS: tuple[Part, ...] = get_args(Part)
# Backends that load a student from a GGUF file, and from the folder of a Hugging Face model.
READS_GGUF = ("embedded",)
READS_FOLDER = ("hf", "vllm")


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Deal the questions of public test sets into seeds and test questions that do not overlap.

    sets      names of benchmarks that are published sets, or `name=path`
    data      the folder with the named sets; empty = the folder MATHSTRAP_DATA, else the hub
    types     kinds of question, in the sets' own terms (ASDiv: Addition, ...); empty = all
    test      questions held out for the test, over all sets
    backward  how many test questions get backward questions, 0 = all
    seeds     questions for bootstrapping, 0 = all others
    overlap   share of a test question's words that no seed may repeat in runs of eight words; exact repeats are dropped
    rng_seed  the seed of the random order
    """

    sets: tuple[str, ...] = ()
    data: str = ""
    types: tuple[str, ...] = ()
    test: int = 500
    backward: int = 0
    seeds: int = 0
    overlap: float = 0.5
    rng_seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ArmOptions:
    """One kind of training data.

    methods   the methods of its samples: "seed" = the seeds' own worked solutions, or the four methods
    shares    parts of each method; empty = the paper's 2 : 2 : 1 : 1 (Table 1). The others make up for missing samples
    outcome   "wrong" takes answers that were graded wrong (paper, 4.7)
    answer_only   teach the final answer without the solution (paper, Fig. 3)
    add       files of more samples, added to every size (paper, 4.8)
    add_count     the number of added samples, chosen at random; 0 = all
    sizes, match  this arm's values instead of the study's
    """

    methods: tuple[Method, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    outcome: Outcome = "correct"
    answer_only: bool = False
    add: tuple[str, ...] = ()
    add_count: int = 0
    sizes: tuple[int, ...] = ()
    match: tuple[Match, ...] = ()

    def __post_init__(self) -> None:
        if not self.methods:
            raise RecipeError(f"methods: found none, expected some of {', '.join(get_args(Method))}.")
        for method, share in self.shares.items():
            if method not in self.methods:
                raise RecipeError(f'shares: "{method}" is not one of the arm\'s methods.')
            if not share > 0:
                raise RecipeError(f"shares.{method}: found {share}, expected a number above 0.")
        if self.outcome == "undecided" or (self.outcome == "wrong" and "seed" in self.methods):
            raise RecipeError('outcome: expected "correct", or "wrong" with bootstrapped methods alone.')


@dataclass(frozen=True, kw_only=True)
class PowerOptions:
    """The assumptions of the power estimate before the run.

    accuracy      share of forward questions that a typical student answers rightly
    backward      the same for backward questions
    correlation   of two students' right and wrong answers to one question
    seed_sd       standard deviation of accuracy over rng_seeds of one arm, beyond what the questions explain
    """

    accuracy: float = 0.3
    backward: float = 0.1
    correlation: float = 0.5
    seed_sd: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.accuracy < 1:
            raise RecipeError(f"accuracy: found {self.accuracy}, expected a share between 0 and 1.")
        if not 0 <= self.correlation < 1:
            raise RecipeError(f"correlation: found {self.correlation}, expected 0 or more, below 1.")


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """Speeds for the estimate of time and cost; 0 = unknown.

    train_tokens  tokens a second in training
    replies       replies a second in evaluation
    usd_per_hour  price of the machine
    """

    train_tokens: float = 0.0
    replies: float = 0.0
    usd_per_hour: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StudyRecipe:
    """A study: one bootstrapped run, arms made from it, students, evaluations, comparisons.

    name, out    the study's directory is `out/name`; load_recipe gives it the name of the file
    split        deals public sets into seeds and test; null = bootstrap.seeds and evaluation.data as they are
    bootstrap    the run whose samples are studied; a run of the same `out` and `name` resumes, nothing is paid twice
    run          the directory of a finished run to use unchanged, instead of `bootstrap`
    arms         name -> training data
    reference    the arm the others are compared with first
    sizes        samples per student; 0 = all that an arm has
    match        what students of one size have in common: samples (equally many samples seen, repeats included), tokens
                 (equally many prompt and response tokens seen), passes (`train.epochs` passes over the arm's own data).
                 steps: students of all sizes have the steps of `train.epochs` passes of the largest size, and are
                 compared with the reference and each arm's smallest with its largest size (paper, Fig. 2)
    rng_seeds    one student each; a seed draws its own samples and their order
    train        every student's training, but for data, steps and rng_seed
    evaluation   every student's evaluation
    base         evaluate the untrained model too
    students     false = train no student, only measure the arms' rows
    processes    processes of one training on this machine, one per GPU
    keep         what stays of a student after its evaluation: results only, its weights, or everything
    diversity    measure the diversity gain of each arm's questions over the seeds' own
    perplexity   rows per arm whose perplexity under the untrained model is measured; 0 = none
    teacher_tokens  tokens of the teacher that each arm's rewritings and answers may cost, 0 = all that were paid for;
                 the study then reports the cost of each arm and its number of samples
    second_check  questions per arm that the teacher answers once more, greedily, to check whether the row's answer
                 recurs; 0 = none
    power        the assumptions of the power estimate before the run
    speed        the speeds of this machine, for the estimate of hours
    """

    name: str = ""
    out: str = "studies"
    split: SplitOptions | None = None
    bootstrap: RunRecipe = field(default_factory=RunRecipe)
    run: str = ""
    arms: dict[str, ArmOptions] = field(default_factory=dict)
    reference: str = "sft"
    sizes: tuple[int, ...] = (0,)
    match: tuple[Match, ...] = ("samples", "tokens")
    rng_seeds: tuple[int, ...] = (0, 1, 2)
    train: TrainRecipe = field(default_factory=TrainRecipe)
    evaluation: EvalOptions = field(default_factory=EvalOptions)
    base: bool = True
    students: bool = True
    processes: int = 1
    keep: Literal["results", "weights", "everything"] = "results"
    diversity: bool = True
    perplexity: int = 0
    teacher_tokens: int = 0
    second_check: int = 0
    power: PowerOptions = field(default_factory=PowerOptions)
    speed: SpeedOptions = field(default_factory=SpeedOptions)

    def __post_init__(self) -> None:
        if not self.arms:
            raise RecipeError("arms: found none, expected names with their methods, such as sft: {methods: [seed]}.")
        for name in self.arms:
            if not re.fullmatch(r"[A-Za-z0-9_.+]+", name):
                raise RecipeError(f'arms: the name "{name}" becomes a folder; use letters, digits, ".", "_" and "+".')
        check_name("reference: ", "arm", self.reference, self.arms)
        sizes = [size for name in self.arms for size in self.sizes_of(name)]
        if not self.rng_seeds or len(set(self.rng_seeds)) < len(self.rng_seeds) or any(size < 0 for size in sizes):
            raise RecipeError("rng_seeds and sizes: expected at least one seed, each once, and sizes of 0 or more.")
        train = self.train
        if any(train.data.path) or train.data.validation or train.data.limit or train.max_steps or train.best.metric:
            raise RecipeError(
                "train: data.path, data.limit, data.validation, max_steps and best.metric are the study's own to set; "
                "leave them out."
            )
        if self.teacher_tokens < 0 or self.second_check < 0:
            raise RecipeError("teacher_tokens and second_check: expected 0 or more.")
        backend = self.evaluation.teacher.backend
        if backend not in (*READS_GGUF, *READS_FOLDER):
            raise RecipeError(f'evaluation.teacher.backend: found "{backend}", expected embedded, hf or vllm.')
        # A dry run reads split.data of a recipe without a split as the folder of all its files: `check_split`.
        if self.split is not None and not self.split.sets and not self.split.data:
            raise RecipeError("split.sets: found none, expected names of test sets such as svamp.")

    def check_split(self) -> None:
        """Raise RecipeError where a folder is given for a split that the recipe does not have."""
        if self.split is not None and not self.split.sets:
            raise RecipeError(
                "split.data: this recipe has no split to read it for. bootstrap.seeds.source and evaluation.data "
                "name its files; a split needs split.sets, names of test sets such as svamp."
            )

    @property
    def path(self) -> Path:
        """The study's directory."""
        return Path(self.out) / self.name

    @property
    def token_limit(self) -> int | None:
        """What an arm may cost the teacher, 0 = no limit; None where the study does not say what its arms cost."""
        return self.teacher_tokens if self.teacher_tokens or self.second_check else None

    def sizes_of(self, arm: str) -> tuple[int, ...]:
        """Return the sizes of an arm."""
        return self.arms[arm].sizes or self.sizes

    def matches_of(self, arm: str) -> tuple[Match, ...]:
        """Return how an arm is matched."""
        return self.arms[arm].match or self.match
