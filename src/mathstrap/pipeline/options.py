"""The options of a bootstrapping run: seeds, teacher, methods, prompts, grading, curation and output."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from mathstrap.augment import AUGMENTATIONS, Augmentation, Mode, compose, fobar, renumber, self_verification
from mathstrap.augment.compose import Wording
from mathstrap.augment.selection import Masks
from mathstrap.backends import BACKENDS, SERVED, TeacherOptions, check_taken
from mathstrap.backends.cluster import ClusterOptions
from mathstrap.backends.known import SERVERS
from mathstrap.curate.decontaminate import DecontaminateOptions
from mathstrap.curate.dedup import DedupOptions
from mathstrap.curate.difficulty import DifficultyOptions
from mathstrap.curate.mix import MixOptions
from mathstrap.curate.sampling import SamplingOptions
from mathstrap.curate.vote import VoteOptions
from mathstrap.engine.budget import Budget
from mathstrap.engine.limits import Limits
from mathstrap.errors import RecipeError, check_least, check_name
from mathstrap.patterns import regex
from mathstrap.pipeline.panel import MixedTeacher, Panel, PanelStage, StageOptions, panel_of
from mathstrap.plugins import is_own, load_own, own_hash
from mathstrap.problems.load import SeedsOptions
from mathstrap.prompts import LANGUAGE_NAMES, Shape
from mathstrap.share.formats import ExportOptions
from mathstrap.types import METHODS, Method

TEACHER_LABEL = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
OWN_NAME = regex(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """How often one method is used.

    enabled   whether it is used at all
    count   rewrites per seed; for the backward methods the number of masks, `null` = one per number of the question
            (as in the paper), for rephrasing `null` = 1
    draws   answers asked for per resulting problem; 0, for renumber and compose, takes the worked solution they compute
    of      what it is applied to: the seeds, and for FOBAR and self-verification also what renumber made of them
    second_chance   whether a rewriting that is rejected is asked for once more, with the reason for the rejection
    """

    enabled: bool = True
    count: int | None = 1
    draws: int = 1
    of: tuple[Literal["seed", "renumber"], ...] = ("seed",)
    second_chance: bool = False
    least_draws: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_least(self, "; set enabled: false to leave it out", draws=self.least_draws, count=1)


@dataclass(frozen=True, kw_only=True)
class BackwardOptions(MethodOptions):
    """How often numbers of the question are hidden, and which.

    masks   "sound" hides the numbers that the worked solution proves to matter, then those with nothing against them,
            "proved" only the former, "all" every number; the mode "metamath-2024" has its own rule
    """

    count: int | None = 2
    masks: Masks = "sound"


@dataclass(frozen=True, kw_only=True)
class OwnMethodOptions(MethodOptions):
    """A method of your own.

    code    the Augmentation, as `path/to/file.py:object`; the file is run, so name only files you have read
    """

    code: str


@dataclass(frozen=True, kw_only=True)
class RenumberOptions(MethodOptions):
    """How often seeds get other numbers, and what else changes with them.

    names        whether the people of the story get other names too
    distractor   whether a sentence is added that has nothing to do with the question
    """

    enabled: bool = False
    count: int | None = 10
    draws: int = 0
    names: bool = False
    distractor: bool = False
    least_draws: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of != ("seed",):
            raise RecipeError("of: renumber is applied to seeds alone.")


@dataclass(frozen=True, kw_only=True)
class MoreOptions(MethodOptions):
    """How often a method beyond the paper's is used; it is off until `enabled: true`.

    draws   answers asked for per resulting problem; where the draws vote for the gold, at least `vote.draws`
    """

    enabled: bool = False


@dataclass(frozen=True, kw_only=True)
class ComposeOptions(MoreOptions):
    """How often two seeds become one question, and how.

    draws    answers asked for per resulting problem; 0, with `wording: rule`, takes the computed solution
    wording  "teacher" asks for one story that combines both, "rule" joins the two by a letter without the teacher
    votes    whether pairs whose gold cannot be computed are used too; their draws vote for it
    """

    wording: Wording = "teacher"
    votes: bool = True
    least_draws: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws == 0 and self.wording != "rule":
            raise RecipeError("draws: 0 takes the computed solution, which needs wording: rule.")


@dataclass(frozen=True, kw_only=True)
class MethodsOptions:
    """The methods; the defaults of the paper's four keep the paper's proportions of 80 : 80 : 40 : 40 (Table 1, GSM8K).

    ans_aug             the question as it is, answered many times
    rephrase            the question in other words
    self_verification   a number hidden, question and answer joined to a statement
    fobar               a number hidden, the answer added
    renumber            other numbers, the worked solution and the gold computed again; needs no teacher, off by default
    evolve              the question made harder, easier, or with one more condition; the gold is voted; off by default
    compose             the answer of one seed in place of a number of another; computed or voted; off by default
    new_problem         another problem with the concepts of three seeds; the gold is voted; off by default
    reopen              a multiple-choice question without its choices; off by default
    persona             the same problem set in another person's world; off by default
    explain             the question as it is, answered with long reasoning apart from the solution; off by default
    own                 methods of your own by name; ids and samples carry the name
    """

    ans_aug: MethodOptions = field(default_factory=lambda: MethodOptions(count=1, draws=4))
    rephrase: MethodOptions = field(default_factory=lambda: MethodOptions(count=4, draws=1))
    self_verification: BackwardOptions = field(default_factory=BackwardOptions)
    fobar: BackwardOptions = field(default_factory=BackwardOptions)
    renumber: RenumberOptions = field(default_factory=RenumberOptions)
    evolve: MoreOptions = field(default_factory=MoreOptions)
    compose: ComposeOptions = field(default_factory=ComposeOptions)
    new_problem: MoreOptions = field(default_factory=MoreOptions)
    reopen: MoreOptions = field(default_factory=MoreOptions)
    persona: MoreOptions = field(default_factory=MoreOptions)
    explain: MoreOptions = field(default_factory=MoreOptions)
    own: dict[str, OwnMethodOptions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.own:
            if not OWN_NAME.fullmatch(name) or name in (*METHODS, "seed", "own"):
                raise RecipeError(f'own: "{name}" cannot name a method. Use a-z, 0-9 and _, and no built-in name.')
        named = {name: self.named(name) for name in (*METHODS, *self.own)}
        for name, options in named.items():
            if "renumber" in options.of and not self.renumber.enabled:
                raise RecipeError(f"{name}.of: renumber is not used. Set methods.renumber.enabled: true.")
        if not any(options.enabled for options in named.values()):
            raise RecipeError("own: all methods are disabled. Enable at least one.")

    def named(self, name: Method) -> MethodOptions:
        """Return the options of a method by its name."""
        options = self.own.get(name) or getattr(self, name)
        assert isinstance(options, MethodOptions), f"{name} is a method of this recipe"
        return options


@dataclass(frozen=True, kw_only=True)
class PromptsOptions:
    """Which prompts are used.

    shape   the packaged prompts of this shape; empty = chat, or those of the mode metamath-2024
    files   prompt files that replace single ones, by solve, backward or the name of a method that asks the teacher, or
            by one of these with a style, as in `solve.math`
    language  of the packaged prompts: "auto" is that of each question, else a code such as en, de or zh; the mode
            metamath-2024 asks in English
    """

    shape: Literal["", "chat", "fewshot", "tiny", "metamath-2024"] = ""
    files: dict[str, str] = field(default_factory=dict)
    language: str = "auto"

    def __post_init__(self) -> None:
        known = ["auto", *LANGUAGE_NAMES]
        check_name("language: ", "language", self.language, known, more=f" Known: {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How answers are compared with the gold.

    grader   one of GRADERS, or a Grader of your own as `path/to/file.py:object`
    mode     "flexible" lets a bare last number count
    """

    grader: str = "math"
    mode: Literal["strict", "flexible"] = "strict"

    def __post_init__(self) -> None:
        from mathstrap.verify import GRADERS

        if not is_own(self.grader):
            check_name("grader: ", "grader", self.grader, [*GRADERS, "metamath-2024"])


@dataclass(frozen=True, kw_only=True)
class ContaminationOptions:
    """Which test sets the questions are compared with.

    against    names of benchmarks (gsm8k, math, math500, svamp, asdiv, mawps, gsm-hard), `name=path`, or files
    data       the folder with the named sets; empty = the folder MATHSTRAP_DATA, else the hub
    matching   what counts as overlap
    descend    whether everything derived from a contaminated seed is dropped with it: word runs miss rephrasings
    judge      whether the teacher decides on the nearest neighbours; needs `matching.embedding`
    judging    how the judge's replies are drawn; a reasoning model needs more tokens than the default
    """

    against: tuple[str, ...] = ()
    data: str = ""
    matching: DecontaminateOptions = field(default_factory=DecontaminateOptions)
    descend: bool = True
    judge: bool = False
    judging: StageOptions = field(default_factory=lambda: StageOptions(temperature=0.0, max_tokens=200))

    def __post_init__(self) -> None:
        if self.judge and self.matching.embedding == "off":
            raise RecipeError("judge: decides on neighbours; set matching.embedding to minilm or static.")


@dataclass(frozen=True, kw_only=True)
class CurateOptions:
    """Which graded answers become samples.

    outcome          "correct", or "wrong" for the paper's incorrect-answer experiment (4.7)
    same_reply       whether a solution that repeats another draw of its problem word for word stays
    bad_arithmetic   whether a solution with a false calculation stays, marked by a tag, or goes
    paths            "distinct" keeps one solution per equation list, the most different ones first (RFT)
    max_per_problem  most solutions of one question, null = all
    difficulty       only questions whose pass rate, over the draws already paid, lies in this window; null = all
    """

    outcome: Literal["correct", "wrong"] = "correct"
    same_reply: Literal["drop", "keep"] = "drop"
    bad_arithmetic: Literal["flag", "drop"] = "flag"
    paths: Literal["all", "distinct"] = "all"
    max_per_problem: int | None = None
    difficulty: DifficultyOptions | None = None

    def __post_init__(self) -> None:
        check_least(self, ", or null for all", max_per_problem=1)


@dataclass(frozen=True, kw_only=True)
class RunRecipe:
    """A bootstrapping run. Every key has a default; `mathstrap init` writes a commented starter.

    name      the run directory is `out/name`; empty = the name of the recipe's file
    out       the folder of run directories
    mode      "default" fixes every known trap of the reference; "metamath-2024" reproduces it
    rng_seed  decides which numbers are hidden and which samples a mix takes; not sent to the teacher
    seeds     one source, or a list of them
    teacher   who answers
    teachers  several who share the work instead, by labels of your own; the report compares them
    rewriting  how the replies to rewriting requests are drawn
    solving   how answers are drawn
    dedup     drops repeated questions before they are answered; null or the mode "metamath-2024" keeps them
    decontaminate  drops questions that also occur in test sets, and certifies the rest
    sampling  whether draws are fixed, as under `methods`, or go where they are needed
    vote      labels seeds without a gold answer
    mix       counts or shares of the samples
    engine    "local", "ray", or the options of a Ray cluster; does not change what comes out
    """

    name: str = ""
    out: str = "runs"
    mode: Mode = "default"
    rng_seed: int = 0
    seeds: SeedsOptions | tuple[SeedsOptions, ...] = field(default_factory=SeedsOptions)
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    teachers: dict[str, MixedTeacher] = field(default_factory=dict)
    methods: MethodsOptions = field(default_factory=MethodsOptions)
    prompts: PromptsOptions = field(default_factory=PromptsOptions)
    rewriting: StageOptions = field(default_factory=StageOptions)
    solving: StageOptions = field(default_factory=StageOptions)
    dedup: DedupOptions | None = field(default_factory=DedupOptions)
    decontaminate: ContaminationOptions = field(default_factory=ContaminationOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    vote: VoteOptions = field(default_factory=VoteOptions)
    verify: VerifyOptions = field(default_factory=VerifyOptions)
    curate: CurateOptions = field(default_factory=CurateOptions)
    mix: MixOptions = field(default_factory=MixOptions)
    export: ExportOptions = field(default_factory=ExportOptions)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    engine: Literal["local", "ray"] | ClusterOptions = "local"

    def __post_init__(self) -> None:
        if self.methods.explain.enabled and self.export.reasoning == "drop" and self.export.formats:
            raise RecipeError("export.reasoning: drop leaves out what methods.explain is for. Set keep, or column.")
        for label in self.teachers:
            if not TEACHER_LABEL.fullmatch(label):
                raise RecipeError(f'teachers: "{label}" cannot name a teacher. Use letters, digits, dots, - and _.')
        for stage, panel in self.panels.items():
            where = "decontaminate.judging" if stage == "judging" else stage
            for member in panel:
                backend = member.options.backend
                is_mixed = len(panel.members) > 1
                name = f"teachers.{member.label}" if is_mixed else f"{where}.teacher" if member.label else "teacher"
                if backend not in BACKENDS and not is_own(backend):
                    check_name(f"{name}.backend: ", "backend", backend, [*BACKENDS, *SERVERS])
                if is_mixed and backend == "openai_batch":
                    raise RecipeError(
                        f"{name}.backend: a Batch API takes the plan whole and cannot share it in a mix. Use the "
                        "backend openai there, or make it the only teacher of the stage."
                    )
                if backend in SERVED and self.cluster is not None and self.cluster.teachers:
                    raise RecipeError(
                        "engine.teachers: a teacher behind a URL is asked from this machine. Leave teachers out."
                    )
                check_taken(member.options, member.sampling, where)

    @property
    def cluster(self) -> ClusterOptions | None:
        """The options of the Ray cluster; None for a run on this machine alone."""
        if isinstance(self.engine, ClusterOptions):
            return self.engine
        return ClusterOptions() if self.engine == "ray" else None

    @cached_property
    def panels(self) -> dict[PanelStage, Panel]:
        """Who is asked in each stage."""
        stages: dict[PanelStage, StageOptions] = {
            "rewriting": self.rewriting, "solving": self.solving, "judging": self.decontaminate.judging,
        }  # fmt: skip
        return {
            stage: panel_of(stage, options, self.teacher, self.teachers, self.rng_seed)
            for stage, options in stages.items()
        }

    @property
    def seed_sources(self) -> tuple[SeedsOptions, ...]:
        """The seeds as a tuple, also where the recipe names one source."""
        return self.seeds if isinstance(self.seeds, tuple) else (self.seeds,)

    @property
    def path(self) -> Path:
        """The run directory."""
        return Path(self.out) / self.name

    @property
    def shape(self) -> Shape:
        """The shape of the packaged prompts: the recipe's, else `metamath-2024` in that mode, else `chat`."""
        return self.prompts.shape or ("metamath-2024" if self.mode == "metamath-2024" else "chat")

    def method(self, name: Method) -> MethodOptions:
        """Return the options of a method."""
        return self.methods.named(name)

    @property
    def method_names(self) -> tuple[Method, ...]:
        """The enabled methods: the paper's in its order, then the recipe's own."""
        return tuple(name for name in (*METHODS, *self.methods.own) if self.method(name).enabled)

    def augmentation(self, name: Method) -> Augmentation:
        """Return what a method does; one of the recipe's own is read from its file."""
        if name == "renumber":
            options = self.methods.renumber
            return renumber.augmentation(names=options.names, distractor=options.distractor)
        if name == "compose":
            pairs = self.methods.compose
            return compose.augmentation(wording=pairs.wording, votes=pairs.votes, solved=pairs.draws == 0)
        if name == "fobar":
            return fobar.augmentation(masks=self.methods.fobar.masks)
        if name == "self_verification":
            return self_verification.augmentation(masks=self.methods.self_verification.masks)
        own = self.methods.own.get(name)
        return load_own(own.code, Augmentation, where=f"methods.own.{name}.code") if own else AUGMENTATIONS[name]

    @property
    def own_code(self) -> dict[str, str]:
        """The files of the user's own that this recipe runs, with their hashes, by the name the recipe gives them."""
        backends = dict.fromkeys(member.options.backend for panel in self.panels.values() for member in panel)
        named = [*backends, self.verify.grader, *(own.code for own in self.methods.own.values())]
        return {name: own_hash(name) for name in named if is_own(name)}


def read_named_files(recipe: RunRecipe) -> None:
    """Load the prompts, the methods and the grader that a recipe names by path; raises InputError for a bad file.

    A run does so before it pays for anything. Building a recipe does not: showing a stranger's run must not execute the
    code that its recipe names.
    """
    from mathstrap.prompts import check_prompt_files
    from mathstrap.verify import grader_named

    for name in recipe.methods.own:
        recipe.augmentation(name)
    if is_own(recipe.verify.grader):
        grader_named(recipe.verify.grader)
    check_prompt_files(recipe.prompts.files)
