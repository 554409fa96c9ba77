from pathlib import Path

from ensnare.figures import draw_figures
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    tables = {Path(path).stem: Path(path) for path in snakemake.input.tables}
    draw_figures(open_study(snakemake.input.archive), tables, processes=snakemake.threads)
