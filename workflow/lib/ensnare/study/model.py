"""The keys `model` and `keep`: the wrapped code, its files and steps, and what stays of a run.

The classes hold what the file states; `ensnare.model` runs the code.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ensnare.study.outputs import OUTPUT_KINDS, Output, PlainOutput
from ensnare.study.values import Call, ClosedModel, FileName, Size, Variable, Word

FILE_KINDS = ("template", "copy", "link", "tree")
_TO = "Path in the working directory; default: the name of the file."


def _by_key(*keys: str) -> Discriminator:
    """Return a discriminator of mappings that each have one of the keys."""

    def which(value: Any) -> str | None:  # noqa: ANN401
        if isinstance(value, dict):
            return next((key for key in keys if key in value), None)
        # by class and not by attributes, since every pydantic model has an attribute `copy`
        return type(value).__name__.removesuffix("File").lower()

    return Discriminator(
        which,
        custom_error_type="one_of",
        custom_error_message="expected a mapping with one of the keys " + ", ".join(keys),
    )


class TemplateFile(ClosedModel):
    """A text file with placeholders, which is rendered for every sample."""

    template: FileName = Field(description="The template file.")
    to: FileName | None = Field(None, description=_TO)
    delimiters: tuple[str, str] = Field(
        ("${", "}"),
        description="Texts around a placeholder: `['@', '@']` for `@F@`, `['@', '']` for `@F`. The "
        "first one must not occur elsewhere in the file, so choose `['@', '@']` or `['<<', '>>']` "
        "for a file that has braces and dollar signs of its own.",
    )
    engine: Literal["plain", "jinja2"] = Field(
        "plain",
        description="`jinja2` for templates with logic, which have `{{ }}` and `{% %}` in place of "
        "`delimiters`.",
    )
    format: str = Field(
        ".14g",
        description="Python format of numbers. Numbers in the default format have 20 characters at "
        "most, since codes with fixed fields cut longer ones without a message.",
    )
    width: Size | None = Field(
        None,
        description="Pad numbers on the left to this width; a longer number is an error.",
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
        # a study that is read from study.json states the default, which is no mistake
        if self.engine == "jinja2" and self.delimiters != ("${", "}"):
            raise ValueError("found both delimiters and engine: jinja2; keep one")
        return self


class CopyFile(ClosedModel):
    """A file that is copied into every working directory. A change of it runs samples again."""

    copy_: FileName = Field(alias="copy", description="The file.")
    to: FileName | None = Field(None, description=_TO)


class LinkFile(ClosedModel):
    """A link to a file or directory. A change of its content runs no sample again."""

    link: FileName = Field(description="The file or directory.")
    to: FileName | None = Field(None, description=_TO)


class TreeFile(ClosedModel):
    """A directory whose content is copied. A change of it runs samples again."""

    tree: FileName = Field(
        description="The directory. Links in it are followed, so leave large files out by `except` "
        "and `link` them in an entry of their own. Later entries of `files` may replace its files."
    )
    to: FileName = Field(".", description="Directory of the content, in the working directory.")
    except_: list[str] = Field(
        [], alias="except", description="Patterns of names to leave out: `['processor*']`."
    )


File = Annotated[
    Annotated[TemplateFile, Tag("template")]
    | Annotated[CopyFile, Tag("copy")]
    | Annotated[LinkFile, Tag("link")]
    | Annotated[TreeFile, Tag("tree")],
    _by_key(*FILE_KINDS),
]


class Environment(ClosedModel):
    """The environment of the command; Ensnare itself keeps its own."""

    set: dict[Variable, Word] = Field(
        {},
        description="Environment variables: `{OMP_PROC_BIND: close}`; values may have "
        "placeholders.",
    )
    modules: list[Word] = Field(
        [],
        description="Environment modules to load first: `[GCC/13.2.0, 'Python/${version}']`. "
        "Placeholders are factors and constants.",
    )
    source: FileName | None = Field(
        None,
        description="A bash file to source after that. Placeholders are factors and constants.",
    )


class Success(ClosedModel):
    """Evidence that the code succeeded, beside exit code 0: a line that a file must have."""

    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")
    regex: str = Field(description="Regular expression that must be found in some line.")


class PythonFunction(ClosedModel):
    """A Python function as the model."""

    call: Call = Field(
        description="`file.py:function` (relative to the study file) or `package.module:function`. "
        "Samples run again if the code of such a file changes, or of files beside it that it "
        "imports."
    )
    vectorized: bool = Field(
        False, description="The function takes and returns arrays with one element per sample."
    )


# `messages` leaves tags in brackets out of the place of a mistake
Part = Annotated[
    Annotated[Word, Tag("(word)")] | Annotated[list[Word], Tag("[step]")],
    Discriminator(lambda value: "[step]" if isinstance(value, list) else "(word)"),
]


class Model(ClosedModel):
    """The wrapped code: an external command, or a Python function."""

    files: list[File] = Field(
        [], description="Files of the working directory; later entries may replace earlier ones."
    )
    command: list[Part] = Field(
        [],
        description="One step `[program, argument, ...]`, or a list of steps. No shell reads them; "
        "to redirect standard input write `[sh, -c, 'xfoil < session.txt']`.",
    )
    resume: list[list[Word]] = Field(
        [],
        description="Steps that replace the command when a sample goes on in its directory, after "
        "its job was ended (time limit of the job, requeue, loss of a node). They use a restart "
        "file that the code has written, and start from the beginning if there is none.",
    )
    python: PythonFunction | None = Field(
        None, description="A Python function instead of a command."
    )
    serial: Literal["all"] | list[Word] = Field(
        [],
        description="Programs of steps that run without the MPI launcher: `[blockMesh]`. Or `all`, "
        "for a run script that starts the launcher `$ENSNARE_MPI` itself.",
    )
    environment: Environment = Field(
        Environment(), description="Variables, modules and a file to source for the command."
    )
    stdout: FileName = Field("stdout.txt", description="File that receives standard output.")
    stderr: FileName = Field("stderr.txt", description="File that receives standard error.")
    success: list[Success] = Field(
        [], description="Conditions on text files; a sample that violates one is unsuccessful."
    )
    outputs: list[Output] = Field(
        description="Quantities of interest to read after a run.", min_length=1
    )

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


class Keep(ClosedModel):
    """Which files of working directories stay, for samples that are ok and for others."""

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
    """Return what stays of the directory of a sample: `all`, `none`, or patterns of files."""
    if isinstance(keep, Keep):
        return keep.ok if ok else keep.failed
    return "all" if keep == "all" or (keep == "failed" and not ok) else "none"
