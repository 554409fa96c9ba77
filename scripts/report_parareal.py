import gc

gc.set_threshold(100_000)  # next to nothing of what imports make is garbage

from pathlib import Path

from ensnare.parareal.archive import open_parareal
from ensnare.pararealfigures import draw_parareal_figures
from ensnare.pararealreport import write_parareal_report
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    results = open_parareal(snakemake.input.archive)
    draw_parareal_figures(results)
    write_parareal_report(results, Path(snakemake.input.table))
