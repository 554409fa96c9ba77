"""The report of a study: its figures, and one HTML page that contains everything it shows.

In: the archive of a study (`StudyResults`) and the CSV tables of its analyses. Out: each figure as
SVG and PNG in `results/<study>/figures`, and `report.html`, a page that loads no other file. The
page shows what was run, how many samples have results (coverage), failures by cause, a section with
tables and figures for each analysis, the provenance, and the resolved study file. Parareal studies
have a report of their own in the package `parareal`, which uses the same page and plot functions.

- `names`: which figures a study has. They follow from the study file alone, so rule files ask for
  them before anything has run, and without loading a plotting library.
- `draw`: draws and saves all figures, in several processes; says which kind of figure is drawn by
  which plot function.
- `drawn_study`: what these drawings need of a study: rows of tables, labels with units, values of
  independent samples by case.
- `draw_scaling`: the curves, fitted laws, ideal lines and texts of the figures of a scaling study.
- `figures`: the plot functions: arrays or a table in, a matplotlib `Figure` out.
- `sections`: collects the content of the page from archive and tables; the captions of figures, and
  the order of sections.
- `section_tables`: the parts of the page that are no analysis: jobs and advice on their resources,
  failures by cause, rounds of a growing design, distributions and copulas as text.
- `scaling_section`: the section on a scaling study.
- `page`: `ReportData`, the content of a page, and its rendering with the template `report.html.j2`.
- `text`: numbers, estimates and tables as text.
- `svg`: figures inside the page: SVG without scripts and with unique ids, or PNG.

>>> files = {name: results.paths.table(name) for name in wanted_tables(results.study)}
>>> draw_figures(results, files, processes=2)
>>> page = render_report(collect_report(results, files, results.paths.table("samples")))
"""
