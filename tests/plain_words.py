"""Refuse words that a stranger would stumble over; CONTRIBUTING.md has the list."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = (".py", ".smk", ".md", ".rst", ".yaml", ".toml", ".j2")
LIST = Path("CONTRIBUTING.md")
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \|$", re.MULTILINE)


def listed_words(text: str) -> dict[str, str]:
    """Return what to write instead of each pattern of the table below `## Words`."""
    table = text.partition("## Words")[2].partition("\n## ")[0]
    return {match[1].replace("\\|", "|"): match[2] for match in ROW.finditer(table)}


def tracked_files(root: Path) -> list[Path]:
    """Return the text files of the repository but for the list itself."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    paths = [Path(name) for name in names.split("\0") if name.endswith(KINDS)]
    return [path for path in paths if path != LIST and (root / path).is_file()]


def findings(root: Path) -> list[str]:
    """Return a line for each place where a word of the list stands."""
    words = listed_words((root / LIST).read_text())
    if not words:
        return [f"{LIST}: found no table of words; expected one below `## Words`"]
    found = []
    for path in tracked_files(root):
        text = (root / path).read_text(errors="replace")
        for pattern, better in words.items():
            # a phrase may go on in the next line, also behind the mark of a comment
            spaced = pattern.replace(" ", r"[ \n#]+")
            for match in re.finditer(rf"\b(?:{spaced})\b", text, re.IGNORECASE):
                line = text.count("\n", 0, match.start()) + 1
                words_found = " ".join(match[0].replace("#", " ").split())
                found.append(f"{path}:{line}: '{words_found}'; write {better}")
    return found


if __name__ == "__main__":
    if lines := findings(ROOT):
        sys.exit("\n".join(lines))
