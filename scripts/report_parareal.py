import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.commands.job import logged
from ensnare.parareal.archive import open_parareal
from ensnare.parareal.draw import draw_parareal_figures
from ensnare.parareal.report import write_parareal_report

with logged(snakemake.log[0]):
    results = open_parareal(snakemake.input.archive)
    draw_parareal_figures(results)
    write_parareal_report(results, Path(snakemake.input.table))
