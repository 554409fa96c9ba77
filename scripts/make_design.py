from pathlib import Path

from ensnare.design import make_design
from ensnare.designfile import write_design
from ensnare.resolved import read_resolved
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    study = read_resolved(Path(snakemake.input.study))
    write_design(Path(snakemake.output[0]), study, make_design(study))
