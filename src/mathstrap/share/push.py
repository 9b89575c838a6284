"""Publish a run as a dataset on the Hugging Face hub: choose the files, refuse private contents, upload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mathstrap.errors import InputError, counted, first_line, missing_extra
from mathstrap.files.rows import iter_rows
from mathstrap.files.rundir import RunDir
from mathstrap.patterns import regex
from mathstrap.redact import Private, find_leak, private_here, redact
from mathstrap.types import Sample

CARD = "README.md"
# The card, the tables it names, and the files that reproduce them. Replies and rejects stay local unless included.
PUBLISHED = (CARD, "samples.parquet", "recipe.yaml", "manifest.json", "metrics.json")
_TABLE = regex(r"(?:path|data_files): (export-[\w-]+\.parquet)")
_REPO = regex(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
MAX_SHOWN_LEAKS = 5


@dataclass(frozen=True, kw_only=True)
class PushFile:
    """A file of the run to upload; `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PushPlan:
    """A push before it happens: the repository, its files, the card and the commit's message."""

    repo: str
    path: Path
    private: bool
    files: tuple[PushFile, ...]
    card: str
    message: str


def plan_push(
    run: str | Path, repo: str, *, public: bool = False, include: Sequence[str] = (), without: Sequence[str] = (),
    message: str = "",
) -> PushPlan:  # fmt: skip
    """Return what would be uploaded; sends nothing.

    Raises InputError for a name that is not owner/name, a run without samples, a missing file, and for a file that
    contains a key or a folder name of this machine.
    """
    if not _REPO.fullmatch(repo):
        raise InputError(f'"{repo}": expected owner/name, for example ada/my-maths.')
    opened = RunDir.read(run)
    path = opened.path
    num_samples = sum(1 for _ in opened.read_records("samples", Sample)) if opened.has("samples") else 0
    if not num_samples:
        raise InputError(f"{path}: holds no samples, so there is nothing to publish. Run the recipe to its end first.")
    card_path = path / CARD
    if not card_path.exists():
        raise InputError(f"{card_path}: there is no data card. Run the recipe again; nothing is paid twice.")
    card = card_path.read_text(encoding="utf-8")
    head = card.partition("\n---\n")[0]
    names = dict.fromkeys([*PUBLISHED, *_TABLE.findall(head), *include])
    for name in include:
        if Path(name).name != name or not (path / name).is_file():
            raise InputError(f"--include {name}: no such file in {path}.")
    for name in without:
        if name not in names or name in (CARD, "samples.parquet"):
            raise InputError(f"--without {name}: it is not one of {', '.join([*names][2:])}.")
    kept = [name for name in names if name not in without]
    absent = next((name for name in kept if not (path / name).is_file()), None)
    if absent:
        raise InputError(f"{path / absent}: there is no such file. Run the recipe again; nothing is paid twice.")
    linked = next((name for name in kept if (path / name).is_symlink()), None)
    if linked:
        raise InputError(f"{path / linked}: is a symbolic link, and links are not uploaded. Put the file itself here.")
    check_private(path, kept, private_here())
    return PushPlan(
        repo=repo,
        path=path,
        private=not public,
        files=tuple(PushFile(name=name, size=(path / name).stat().st_size) for name in kept),
        card=card,
        message=message or f"{opened.manifest.get('name') or path.name}: {counted(num_samples, 'sample')}",
    )


def check_private(path: Path, names: Sequence[str], private: Private) -> None:
    """Raise InputError naming file, line and kind of every text that must not be published."""
    leaks = []
    for name in names:
        # Recipes and manifests must not name any folder; a sample's text may mention one, so only ours count there.
        is_data = name.endswith((".parquet", ".jsonl"))
        for number, text in numbered_texts(path / name):
            if leak := find_leak(text, private, any_path=not is_data):
                leaks.append(f"  {name}:{number}: {leak}")
    if leaks:
        more = f"\n  and {len(leaks) - MAX_SHOWN_LEAKS} more" if len(leaks) > MAX_SHOWN_LEAKS else ""
        raise InputError(
            f"{path}: nothing was uploaded, because these would be published:\n"
            + "\n".join(leaks[:MAX_SHOWN_LEAKS])
            + f"{more}\nName seeds and prompts relative to the folder you work in, or leave the file out: "
            "--without recipe.yaml."
        )


def numbered_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file, or the rows of a table as text, numbered from 1."""
    if path.suffix == ".parquet":
        for number, row in iter_rows(path):
            yield number, "\n".join(v if isinstance(v, str) else repr(v) for v in row.values())
        return
    with open(path, encoding="utf-8", errors="replace") as lines:
        yield from enumerate(lines, 1)


def push(plan: PushPlan) -> str:
    """Upload a plan in one commit and return the dataset's address; a missing repository is created.

    The token is the hub library's own: HF_TOKEN, or the one that `hf auth login` stored. An existing repository keeps
    its visibility. Raises InputError with the hub's message.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise missing_extra("huggingface_hub", "hub") from None
    token = huggingface_hub.get_token()
    if not token:
        raise InputError("no token for the hub was found. Run `hf auth login`, or set HF_TOKEN.")
    api = huggingface_hub.HfApi(library_name="mathstrap")
    operations = [
        huggingface_hub.CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(plan.path / file.name))
        for file in plan.files
    ]
    try:
        created = api.create_repo(plan.repo, repo_type="dataset", private=plan.private, exist_ok=True)
        api.create_commit(plan.repo, operations, commit_message=plan.message, repo_type="dataset")
    except (OSError, ValueError, RuntimeError, msgspec.DecodeError) as error:
        reason = redact(first_line(error), [token])
        raise InputError(f"{plan.repo}: the hub refused the upload: {reason}") from None
    return str(created)
