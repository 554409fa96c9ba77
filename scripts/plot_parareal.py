from ensnare.parareal.archive import open_parareal
from ensnare.pararealfigures import draw_parareal_figures
from ensnare.scripting import logged

with logged(snakemake.log[0]):
    draw_parareal_figures(open_parareal(snakemake.input.archive))
