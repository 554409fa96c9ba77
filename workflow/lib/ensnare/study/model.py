"""The wrapped code, as the study file says it: files, steps, outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ensnare.study.outputs import OUTPUT_KINDS, Output, PlainOutput, check_call
from ensnare.study.values import FileName, Size, Strict, Variable, Word

FILE_KINDS = ("template", "copy", "link", "tree")


def _by_key(*keys: str) -> Discriminator:
    """Tell the members of a union apart by the one key that only they have."""

    def which(value: Any) -> str | None:  # noqa: ANN401
        if isinstance(value, dict):
            return next((key for key in keys if key in value), None)
        # not by attributes: every model of pydantic has one called `copy`
        return type(value).__name__.removesuffix("File").lower()

    return Discriminator(
        which,
        custom_error_type="one_of",
        custom_error_message="expected a mapping with one of the keys " + ", ".join(keys),
    )


class TemplateFile(Strict):
    """A text file with placeholders, rendered for every sample."""

    template: FileName = Field(description="The template.")
    to: FileName | None = Field(
        None, description="Where it goes in the working directory; default: its own name."
    )
    delimiters: tuple[str, str] = Field(
        ("${", "}"),
        description="What encloses a placeholder; `['@', '@']` for `@F@`, `['@', '']` for `@F`. "
        "The first one must not occur elsewhere in the file: one full of braces or dollar signs "
        "of its own takes `['@', '@']` or `['<<', '>>']`.",
    )
    engine: Literal["plain", "jinja2"] = Field(
        "plain",
        description="`jinja2` for templates with logic; its `{{ }}` and `{% %}` replace "
        "delimiters.",
    )
    format: str = Field(
        ".14g",
        description="Python format of numbers. The default fits 20 characters with sign and "
        "exponent: codes with fixed fields cut longer numbers silently.",
    )
    width: Size | None = Field(
        None, description="Pad numbers to this width on the left; longer ones are an error."
    )

    @field_validator("delimiters")
    @classmethod
    def _not_empty(cls, value: tuple[str, str]) -> tuple[str, str]:
        if not value[0]:
            raise ValueError("found an empty delimiter; expected two texts such as ['@', '@']")
        if not "".join(value).isprintable() or " " in "".join(value):
            raise ValueError("found a blank in a delimiter; expected two texts such as ['@', '@']")
        return value

    @field_validator("format")
    @classmethod
    def _formats(cls, value: str) -> str:
        try:
            format(1.5, value)
        except ValueError:
            raise ValueError(
                f"'{value}' does not format a number; expected a Python format such as .14g"
            ) from None
        return value

    @model_validator(mode="after")
    def _one_syntax(self) -> TemplateFile:
        # the default comes back from the resolved study
        if self.engine == "jinja2" and self.delimiters != ("${", "}"):
            raise ValueError("found both delimiters and engine: jinja2; keep one")
        return self


class CopyFile(Strict):
    """A file copied into every working directory; changing it is changing the model."""

    copy_: FileName = Field(alias="copy", description="The file.")
    to: FileName | None = Field(None, description="Where it goes; default: its own name.")


class LinkFile(Strict):
    """A file or directory linked from every working directory; recorded, not a trigger."""

    link: FileName = Field(description="The file or directory.")
    to: FileName | None = Field(None, description="Where it goes; default: its own name.")


class TreeFile(Strict):
    """A directory copied into every working directory; later entries overlay it."""

    tree: FileName = Field(
        description="The directory. Links in it are followed: leave what is large out by `except`, "
        "and `link` it in an entry of its own."
    )
    to: FileName = Field(".", description="Where its content goes.")
    except_: list[str] = Field(
        [], alias="except", description="Patterns of names to leave out, such as `processor*`."
    )


File = Annotated[
    Annotated[TemplateFile, Tag("template")]
    | Annotated[CopyFile, Tag("copy")]
    | Annotated[LinkFile, Tag("link")]
    | Annotated[TreeFile, Tag("tree")],
    _by_key(*FILE_KINDS),
]


class Environment(Strict):
    """What surrounds the command, and only the command."""

    set: dict[Variable, Word] = Field(
        {}, description="Environment variables; `${name}` in a value takes inputs and factors."
    )
    modules: list[Word] = Field(
        [], description="Environment modules to load first, `Python/${version}` for a factor."
    )
    source: FileName | None = Field(
        None, description="A bash file to source then; `${name}` takes factors and constants."
    )


class Success(Strict):
    """Evidence that the code did its work, beside exit code 0."""

    in_: FileName | None = Field(None, alias="in", description="A file; default: stdout.")
    regex: str = Field(description="Regular expression to be found in some line.")


class Callable(Strict):
    """A Python function as the model."""

    call: str = Field(
        description="`file.py:function` (relative to the study file; with the files beside it that "
        "it imports, its code decides what runs again) or `package.module:function`."
    )
    vectorized: bool = Field(
        False, description="The function takes and returns arrays, one element per sample."
    )

    @field_validator("call")
    @classmethod
    def _two_parts(cls, value: str) -> str:
        return check_call(value)


# tags in brackets do not show in messages
Part = Annotated[
    Annotated[Word, Tag("(word)")] | Annotated[list[Word], Tag("[step]")],
    Discriminator(lambda value: "[step]" if isinstance(value, list) else "(word)"),
]


class Model(Strict):
    """The wrapped code: an external command, or a Python function."""

    files: list[File] = Field([], description="Files of the working directory, in order.")
    command: list[Part] = Field(
        [],
        description="One step `[program, argument, ...]` or a list of steps; no shell. A program "
        "that reads its standard input: `[sh, -c, 'xfoil < session.txt']`.",
    )
    resume: list[list[Word]] = Field(
        [],
        description="Steps that go on with a sample in its directory after its job ended under "
        "way (time-out of the job, requeue, loss of a machine), in place of the command; with a "
        "restart file of the code, and from the beginning if there is none.",
    )
    python: Callable | None = Field(None, description="A Python function instead of a command.")
    serial: Literal["all"] | list[Word] = Field(
        [],
        description="Steps that the MPI launcher does not start, by their program: `[blockMesh]`; "
        "`all` for a run script that takes the launcher from `$ENSNARE_MPI`.",
    )
    environment: Environment = Field(Environment(), description="What surrounds the command.")
    stdout: FileName = Field("stdout.txt", description="File that receives standard output.")
    stderr: FileName = Field("stderr.txt", description="File that receives standard error.")
    success: list[Success] = Field([], description="All must hold, or the sample is unsuccessful.")
    outputs: list[Output] = Field(description="What to take from a run.", min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Model:
        if bool(self.command) == (self.python is not None):
            found = "both" if self.command else "neither"
            raise ValueError(f"found {found} of command and python; expected one")
        nested = [isinstance(part, list) for part in self.command]
        if any(nested) and not all(nested):
            raise ValueError("command mixes words and steps; expected [word, ...] or [[word, ...]]")
        if any(step == [] for step in self.command):
            raise ValueError("command: found an empty step; expected [program, argument, ...]")
        if any(step == [] for step in self.resume):
            raise ValueError("resume: found an empty step; expected [program, argument, ...]")
        plain = [o.name for o in self.outputs if isinstance(o, PlainOutput)]
        if self.command and plain:
            raise ValueError(
                f"output '{plain[0]}' does not say where it stands; "
                f"expected one of the keys {', '.join(OUTPUT_KINDS)}"
            )
        if self.python and len(plain) != len(self.outputs):
            raise ValueError("a Python function returns its outputs; give only their names")
        if self.python and any(o.axis and o.axis.is_read for o in self.outputs):
            raise ValueError("a Python function returns values only; give the values of the axis")
        if self.python and (self.files or self.success or self.resume):
            raise ValueError(
                "files, success and resume belong to a command, not to a Python function"
            )
        return self

    @property
    def steps(self) -> list[list[str]]:
        """The command as a list of steps, each a list of words."""
        if self.command and not isinstance(self.command[0], list):
            return [list(map(str, self.command))]
        return [list(step) for step in self.command]


Kept = Annotated[
    Annotated[Literal["all", "none"], Tag("(word)")]
    | Annotated[list[FileName], Field(min_length=1), Tag("(patterns)")],
    Discriminator(lambda value: "(patterns)" if isinstance(value, list) else "(word)"),
]


class Keep(Strict):
    """What stays of working directories, by how their sample ended."""

    ok: Kept = Field(
        "none",
        description="`all`, `none`, or patterns of files such as `log.*` (in any directory) and "
        "`postProcessing/**`.",
    )
    failed: Kept = Field("all", description="The same for samples that are not ok.")


KeepPolicy = Annotated[
    Annotated[Literal["all", "failed", "none"], Tag("(word)")] | Annotated[Keep, Tag("(mapping)")],
    Discriminator(lambda value: "(mapping)" if isinstance(value, dict | Keep) else "(word)"),
]


def kept_files(keep: KeepPolicy, *, ok: bool) -> Kept:
    """Return what to keep of a sample's directory."""
    if isinstance(keep, Keep):
        return keep.ok if ok else keep.failed
    return "all" if keep == "all" or (keep == "failed" and not ok) else "none"
