from pathlib import Path

from ensnare.paths import write_whole
from ensnare.report import render_report
from ensnare.report.collect import collect_report
from ensnare.results import open_study
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    tables = {Path(path).stem: Path(path) for path in snakemake.input.tables}
    results = open_study(snakemake.input.archive)
    page = render_report(collect_report(results, tables, Path(snakemake.input.samples)))
    write_whole(Path(snakemake.output[0]), lambda part: part.write_text(page, encoding="utf-8"))
