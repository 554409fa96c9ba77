from pathlib import Path

from ensnare.parareal.archive import open_parareal
from ensnare.pararealreport import parareal_report
from ensnare.paths import write_whole
from ensnare.report import render_report
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    results = open_parareal(snakemake.input.archive)
    page = render_report(parareal_report(results, Path(snakemake.input.table)))
    write_whole(Path(snakemake.output[0]), lambda part: part.write_text(page, encoding="utf-8"))
