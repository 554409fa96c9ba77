import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from ensnare.report.page import (
    ReportData,
    ReportFigure,
    ReportInput,
    ReportOutput,
    ReportTable,
    render_report,
)
from ensnare.report.svg import MAX_SVG_BYTES, inline_svg
from ensnare.report.text import (
    correlation_view,
    dropped_notes,
    format_duration,
    format_estimate,
    format_index,
    format_range,
    format_value,
    interval_view,
    morris_view,
    range_view,
    second_order_view,
    sobol_view,
    views,
)

HOSTILE = "<script>alert(1)</script> & \"quoted\" <img src=x onerror='alert(2)'>"
VOID = {"meta", "br", "hr", "img", "link", "input"}
SVG = """<?xml version="1.0"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9" width="9pt" height="9pt"
 xmlns="http://www.w3.org/2000/svg"><metadata>x</metadata>
<defs><style type="text/css">*{stroke-linejoin: round}</style><path id="m1" d="M0 0"/>
<clipPath id="p1"><rect width="1" height="1"/></clipPath></defs>
<g id="figure_1" clip-path="url(#p1)" onclick="alert(1)"><use xlink:href="#m1"/>
<image xlink:href="http://example.org/a.png"/><script>alert(1)</script></g></svg>"""
PNG = b"\x89PNG\r\n"


class Page(HTMLParser):
    """Collects elements and checks that tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def ids(self):
        return [a["id"] for _, a in self.elements if "id" in a]


def sobol_table(n_inputs=3, cases=("coarse", "fine")):
    columns = ["output", "mesh", "input", "index", "value", "ci_low", "ci_high", "n_used"]
    rows = [
        ("deviation", case, f"x{i}", index, 0.41234, 0.38123, 0.44123, 960)
        for case in cases
        for i in range(n_inputs)
        for index in ("first", "total")
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(n_dropped=np.where(table["mesh"] == "fine", 64, 0))


def second_table(n_inputs=3):
    rows = [
        ("deviation", f"x{i}:x{j}", "second", 0.1 * i + 0.01 * j, 0.0, 0.9, 1000, 24)
        for i in range(n_inputs)
        for j in range(i + 1, n_inputs)
    ]
    columns = ["output", "input", "index", "value", "ci_low", "ci_high", "n_used", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def morris_table():
    return pd.DataFrame(
        {
            "output": "deviation",
            "input": ["E", "F"],
            "mu": [-2.5e9, 1.0],
            "mu_star": [2.5e9, np.nan],
            "sigma": [1e8, 2.0],
            "mu_star_low": [2.25e9, np.nan],
            "mu_star_high": [2.75e9, np.nan],
            "n_used": [18, 20],
            "n_dropped": [2, 0],
        }
    )


def correlation_table():
    rows = [
        ("deviation", name, coefficient, 0.5123, 0.4567, 0.5678, 95, 5)
        for name in ("E", "F")
        for coefficient in ("src", "pearson")
    ]
    columns = [
        "output",
        "input",
        "coefficient",
        "value",
        "ci_low",
        "ci_high",
        "n_used",
        "n_dropped",
    ]
    return pd.DataFrame(rows, columns=columns)


def failures(message=HOSTILE):
    columns = ["status", "exit_code", "count", "message", "directory"]
    rows = [("failed", 1, 3, message, "samples/3f2a"), ("timeout", None, 1, "", None)]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def whole():
    return ReportData(
        name="beam",
        title="Cantilever",
        description="A beam & its load",
        date="2031-05-04",
        inputs=[ReportInput("F", "Normal(mu=3e4, sigma=9e3)", "N")],
        design={"method": "saltelli", "size": 1024, "seed": 0},
        factors={"mesh": ["coarse", "fine"], "cores": [1, 2.5]},
        command="beam -x input.xml",
        outputs=[
            ReportOutput("deviation", "m", (0, 1)),
            ReportOutput("u", "m/s", None, (200,), axis="x [m]"),
        ],
        status_counts={"ok": 96, "failed": 3, "timeout": 1, "killed": 0},
        elapsed_s=np.array([1.0, 2.0, 3.0, np.nan]),
        cores=2,
        failures=failures(),
        statistics=pd.DataFrame({"output": ["deviation"], "n": [96], "mean": [0.0123456]}),
        statistics_csv="results/beam/statistics.csv",
        warnings=["failures depend on E (p = 0.0003)"],
        morris=morris_table(),
        correlations=correlation_table(),
        sobol=pd.concat([sobol_table(), second_table().assign(mesh="fine")]),
        sobol_csv="results/beam/sobol_indices.csv",
        figures=[
            ReportFigure(SVG, PNG, "Indices & intervals", "sobol"),
            ReportFigure(SVG, PNG, "Time", "Sweep of cores"),
        ],
        tables=[ReportTable("Reliability", pd.DataFrame({"p": [0.001234567]}), "By FORM.")],
        provenance={"ensnare": "0.1.0", "host": "node17"},
        config="study: beam\n",
    )


HEADINGS = {
    "What was run": ("inputs", "design", "factors", "command", "outputs"),
    "Coverage": ("status_counts", "elapsed_s", "warnings"),
    "Failures by cause": ("failures",),
    "Statistics": ("statistics",),
    "Sobol' indices": ("sobol", "figures"),
    "Second-order Sobol' indices": ("sobol",),
    "Elementary effects of Morris": ("morris",),
    "Correlations": ("correlations",),
    "Sweep of cores": ("figures",),
    "Reliability": ("tables",),
    "Provenance": ("provenance", "config"),
}


def without(data, *names):
    default = {f.name: getattr(ReportData(name="x"), f.name) for f in dataclasses.fields(data)}
    return dataclasses.replace(data, **{name: default[name] for name in names})


def headings(html):
    return [h.replace("&#39;", "'") for h in re.findall(r"<h[23]>(.*?)</h[23]>", html)]


def test_a_whole_report_has_all_sections_and_balanced_tags(whole):
    html = render_report(whole)
    Page(html)
    assert set(HEADINGS) <= set(headings(html))


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_section_without_data_is_absent(whole, heading):
    html = render_report(without(whole, *HEADINGS[heading]))
    Page(html)
    assert heading not in headings(html)


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("inputs", "Inputs"),
        ("design", "Design"),
        ("factors", "Sweep"),
        ("command", "Model command"),
        ("outputs", "Outputs"),
    ],
)
def test_a_pure_sweep_has_no_empty_heading(whole, name, heading):
    assert heading in headings(render_report(whole))
    assert heading not in headings(render_report(without(whole, name)))


def test_a_report_of_a_name_alone_is_a_page():
    html = render_report(ReportData(name="beam"))
    Page(html)
    assert headings(html) == []


def test_links_of_the_page_lead_to_sections(whole):
    page = Page(render_report(whole))
    targets = [a["href"] for tag, a in page.elements if tag == "a"]
    assert len(set(targets)) == 11
    assert {t.removeprefix("#") for t in targets} <= set(page.ids())


def test_the_page_loads_and_runs_nothing(whole):
    page = Page(render_report(whole))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "metadata"}
    for _, attributes in page.elements:
        assert not [a for a in attributes if a.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))


@pytest.mark.parametrize(
    "change",
    [
        {"title": HOSTILE},
        {"name": HOSTILE},
        {"description": HOSTILE},
        {"command": HOSTILE},
        {"config": HOSTILE},
        {"provenance": {HOSTILE: HOSTILE}},
        {"factors": {HOSTILE: [HOSTILE]}},
        {"inputs": [ReportInput(HOSTILE, HOSTILE, HOSTILE)]},
        {"figures": [ReportFigure(SVG, PNG, HOSTILE, HOSTILE)]},
        {"figures": [ReportFigure("", PNG, HOSTILE, HOSTILE)]},
        {"statistics": pd.DataFrame({HOSTILE: [HOSTILE]})},
        {"status_counts": {"ok": 1, HOSTILE: 1}},
        {"warnings": [HOSTILE]},
        {"warnings": [HOSTILE] * 5},
        {"outputs": [ReportOutput("u", axis=HOSTILE)]},
        {"morris": morris_table().assign(input=HOSTILE)},
        {"correlations": correlation_table().assign(coefficient=HOSTILE)},
        {"sobol": second_table().assign(input=HOSTILE)},
    ],
)
def test_hostile_text_is_escaped(whole, change):
    page = Page(render_report(dataclasses.replace(whole, **change)))
    assert not [tag for tag, _ in page.elements if tag == "script"]
    assert not [a for _, a in page.elements if "onerror" in a]
    assert "<script>alert(1)</script>" in page.text


def test_ids_of_two_inlined_figures_do_not_clash(whole):
    page = Page(render_report(whole))
    assert len(page.ids()) == len(set(page.ids()))
    uses = [a["href"] for tag, a in page.elements if tag == "use"]
    assert uses == ["#f1-m1", "#f2-m1"]


def test_an_inlined_svg_keeps_its_style_to_itself_and_refers_to_itself():
    svg = inline_svg(SVG, 7, 'a "label"')
    assert "#f7-svg *{stroke-linejoin: round}" in svg
    assert 'clip-path="url(#f7-p1)"' in svg
    assert 'aria-label="a &quot;label&quot;"' in svg
    assert "http:" not in svg


def test_a_large_svg_becomes_a_png(whole):
    large = SVG.replace("M0 0", "M0 0" * (MAX_SVG_BYTES // 4))
    figure = ReportFigure(large, PNG, "Scatter", "sobol")
    page = Page(render_report(dataclasses.replace(whole, figures=[figure])))
    images = [a for tag, a in page.elements if tag == "img"]
    assert images[0]["src"] == "data:image/png;base64,iVBORw0K"
    assert images[0]["alt"] == "Scatter"


@pytest.mark.parametrize("text", ["not a drawing", "<html/>"])
def test_what_is_not_svg_is_an_error_that_names_the_figure(text):
    with pytest.raises(ValueError, match="figure 3: "):
        inline_svg(text, 3, "")


def test_coverage_states_shares_core_time_and_dropped_samples(whole):
    text = Page(render_report(whole)).text
    assert "96 (96 %)" in text
    assert "killed" not in text
    assert "12 s" in text  # (1 + 2 + 3) s on 2 cores
    assert "4 failed samples were dropped" in text
    one = dataclasses.replace(whole, status_counts={"ok": 9, "failed": 1})
    assert "1 failed sample was dropped" in Page(render_report(one)).text
    none = dataclasses.replace(whole, status_counts={"ok": 9})
    assert "dropped: the results" not in Page(render_report(none)).text


def test_a_long_table_is_in_a_box_that_says_where_the_whole_is(whole):
    html = render_report(dataclasses.replace(whole, sobol=sobol_table(40)))
    Page(html)
    assert re.search("<summary>[a-z]+: 80 rows</summary>", html)
    assert "results/beam/sobol_indices.csv" in html


def test_sobol_view_has_a_row_an_input_and_keeps_factors_that_do_not_apply():
    table = sobol_table(2)
    table["precond"] = np.where(table["mesh"] == "fine", "ilu", None)
    table["tolerance"] = np.where(table["mesh"] == "fine", 1e-6, np.nan)
    view = sobol_view(table)
    columns = ["output", "mesh", "precond", "tolerance", "input", "first order", "total"]
    assert list(view.columns) == columns
    assert len(view) == 4
    assert view["total"].iloc[0] == "0.412 [0.381, 0.441]"


def test_sobol_view_keeps_levels_apart_that_print_alike():
    table = pd.concat([sobol_table(1, ["a"]).assign(Re=re) for re in (0.123451, 0.123452)])
    assert len(sobol_view(table)) == 2


def test_a_position_is_shown_only_when_it_says_something():
    idle = sobol_table(1).assign(position=0)
    assert "position" not in sobol_view(idle)
    assert "position" not in dropped_notes(idle, "base rows")[0]
    array = pd.concat([sobol_table(1).assign(position=k) for k in range(3)])
    assert sobol_view(array)["positions"].tolist() == ["3", "3"]


def test_intervals_stand_in_brackets():
    table = pd.DataFrame(
        {
            "statistic": ["mean", "min"],
            "value": [0.1234567, 0.0],
            "ci_low": [0.1111111, np.nan],
            "ci_high": [0.1333333, np.nan],
            "n_used": [9, 9],
        }
    )
    view = interval_view(table)
    assert list(view.columns) == ["statistic", "value", "interval", "n_used"]
    assert list(view["interval"]) == ["[0.1111, 0.1333]", "\N{EN DASH}"]
    data = ReportData(name="beam", statistics=table)
    assert "[0.1111, 0.1333]" in Page(render_report(data)).text


def test_notes_name_the_case_that_lost_rows():
    assert dropped_notes(sobol_table(), "base rows") == [
        "deviation, mesh = fine: 64 of 1024 base rows dropped"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234567, "0.01235"),
        (65e9, "6.5e10"),
        (12345.6, "12346"),
        (1024, "1024"),
        (np.int64(7), "7"),
        (float("nan"), "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
        (True, "yes"),
        ("cg", "cg"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_values_have_four_digits(value, text):
    assert format_value(value) == text


def test_ranges_are_open_where_they_have_no_end():
    assert format_range((0, 1.23456)) == "[0, 1.235]"
    assert format_range((0, None)) == "[0, ∞)"
    assert format_range((None, 1)) == "(\N{MINUS SIGN}∞, 1]"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.41234, 0.38123, 0.44123), "0.412 [0.381, 0.441]"),
        ((0.41234, 0.1, 0.9), "0.41 [0.10, 0.90]"),
        ((0.41234, 0.4123, 0.4124), "0.4123 [0.4123, 0.4124]"),
        ((0.41234, np.nan, np.nan), "0.412"),
        ((np.nan, np.nan, np.nan), "undefined"),
    ],
)
def test_an_index_has_the_digits_its_interval_supports(values, text):
    assert format_index(*values) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12.3 ms"),
        (59, "59 s"),
        (7200, "2 h"),
        (600, "10 min"),
        (1e6, "11.6 d"),
        (0, "0 s"),
    ],
)
def test_durations_use_the_largest_fitting_unit(seconds, text):
    assert format_duration(seconds) == text


def section(html, name):
    return html.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_a_warning_is_first_under_coverage_and_in_every_section_of_results(whole):
    html = render_report(whole)
    warning = "Warning: failures depend on E (p = 0.0003)"
    assert section(html, "coverage").index(warning) < section(html, "coverage").index("<table>")
    for name in ("statistics", "sobol", "second_order", "morris", "correlations"):
        assert section(html, name).count(warning) == 1
    assert warning not in section(html, "failures")


def test_many_warnings_are_listed_once_and_referred_to(whole):
    many = dataclasses.replace(whole, warnings=[f"w{i}" for i in range(4)])
    html = render_report(many)
    assert html.count("Warning: w3") == 1
    assert '4 warnings concern these results: see <a href="#coverage">' in section(html, "morris")


def test_second_order_indices_have_a_section_of_their_own(whole):
    html = render_report(whole)
    assert "x0:x1" not in section(html, "sobol")
    assert "x0:x1" in section(html, "second_order")
    assert "24 of 1024 base rows dropped" in section(html, "second_order")
    assert "results/beam/sobol_indices.csv" in section(html, "second_order")


def test_the_largest_second_order_indices_come_first_and_few_are_shown():
    view = second_order_view(second_table(8))
    assert len(view) == 15
    assert view["inputs"].iloc[0] == "x6:x7"
    two = pd.concat([second_table(8).assign(mesh=mesh) for mesh in ("a", "b")])
    assert second_order_view(two)["mesh"].tolist() == ["a"] * 15 + ["b"] * 15


def test_elementary_effects_have_the_interval_of_mu_star_with_four_digits(whole):
    view = morris_view(morris_table())
    assert list(view.columns) == ["output", "input", "mu*", "mu", "sigma"]
    assert view.iloc[0].tolist()[2:] == ["2.5e9 [2.25e9, 2.75e9]", "-2.5e9", "1e8"]
    assert view["mu*"].iloc[1] == "undefined"
    more = morris_view(morris_table().assign(sigma_low=[5e7, 1], sigma_high=[2e8, 3]))
    assert list(more.columns) == list(view.columns)
    assert more["sigma"].tolist() == ["1e8 [5e7, 2e8]", "2 [1, 3]"]
    html = render_report(whole)
    assert "deviation: up to 2 of 20 elementary effects dropped" in section(html, "morris")


def test_correlations_have_a_column_a_coefficient_in_their_usual_order(whole):
    view = correlation_view(correlation_table())
    assert list(view.columns) == ["output", "input", "Pearson", "SRC"]
    assert view["SRC"].tolist() == ["0.512 [0.457, 0.568]"] * 2
    assert "5 of 100 samples dropped" in section(render_report(whole), "correlations")


def statistics(n_positions, output="u"):
    rows = [
        (output, p, name, value + p, value + p - 1, value + p + 1, 90 - p, 10 + p)
        for name, value in (("mean", 1.0), ("max", 7.0))
        for p in range(n_positions)
    ]
    columns = [
        "output",
        "position",
        "statistic",
        "value",
        "ci_low",
        "ci_high",
        "n_used",
        "n_dropped",
    ]
    return pd.DataFrame(rows, columns=columns)


def test_array_outputs_are_shown_as_ranges():
    view = range_view(statistics(5))
    assert view.to_dict("records")[0] == {
        "output": "u",
        "statistic": "mean",
        "positions": 5,
        "smallest": 1.0,
        "largest": 5.0,
        "n_used": 86,
        "n_dropped": 14,
    }
    assert len(view) == 2


def test_numbers_and_arrays_are_in_two_tables_and_only_where_there_are_any():
    both = pd.concat([statistics(1, "deviation"), statistics(5)])
    numbers, arrays = views(both)
    assert "interval" in numbers
    assert numbers["output"].unique() == ["deviation"]
    assert arrays["output"].unique() == ["u"]
    assert [len(views(statistics(n))) for n in (1, 5)] == [1, 1]
    html = render_report(ReportData(name="x", statistics=both))
    assert section(html, "statistics").count("<table>") == 2
    assert section(html, "statistics").count("All digits") == 1


def test_ranges_keep_factors_that_do_not_apply():
    table = statistics(3).assign(precond=None, tolerance=np.nan)
    assert len(range_view(table)) == 2


def test_indices_of_an_array_are_the_range_of_their_estimates():
    array = pd.concat([sobol_table(1, ["a"]).assign(position=p, value=0.1 * p) for p in range(3)])
    view = sobol_view(array)
    assert view["total"].tolist() == ["0.000 … 0.200"]
    assert view["positions"].tolist() == ["3"]
    undefined = sobol_view(array.assign(value=np.nan))
    assert undefined["total"].tolist() == ["undefined"]
    page = render_report(ReportData(name="x", sobol=array))
    assert "the smallest and largest estimate over its positions" in page
    both = sobol_view(pd.concat([array, sobol_table(1, ["a"]).assign(output="Cd", position=0)]))
    assert both["positions"].tolist() == ["3", "1"]


def test_notes_on_an_array_are_one_line_with_the_worst_position():
    array = pd.concat(
        [sobol_table(2, ["a"]).assign(position=p, n_dropped=p, n_used=20 - p) for p in range(4)]
    )
    notes = dropped_notes(array, "base rows")
    assert notes == ["deviation, mesh = a: up to 3 of 20 base rows dropped"]


def test_an_array_output_states_its_shape_and_axis(whole):
    assert "200 along x [m]" in Page(render_report(whole)).text


def test_figures_are_numbered_as_they_appear(whole):
    figures = [
        ReportFigure(SVG, PNG, "last", "Sweep"),
        ReportFigure(SVG, PNG, "third", "correlations"),
        ReportFigure(SVG, PNG, "second", "morris"),
        ReportFigure(SVG, PNG, "first", "coverage"),
    ]
    html = render_report(dataclasses.replace(whole, figures=figures))
    found = re.findall(r"<b>Figure (\d)\.</b> (\w+)", html)
    assert found == [("1", "first"), ("2", "second"), ("3", "third"), ("4", "last")]


def test_a_section_of_results_may_have_figures_or_tables_only():
    figure = ReportFigure(SVG, PNG, "Map", "second_order")
    table = ReportTable("morris", pd.DataFrame({"r": [4]}), "Trajectories.", "r.csv")
    html = render_report(ReportData(name="x", figures=[figure], tables=[table]))
    assert headings(html) == ["Second-order Sobol' indices", "Elementary effects of Morris"]
    assert "Trajectories." in section(html, "morris")
    assert "r.csv" in section(html, "morris")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.0012345, 0.001, 0.0015), "0.001234 [0.001, 0.0015]"),
        ((-65e9, np.nan, np.nan), "-6.5e10"),
        ((np.nan, 0, 1), "undefined"),
    ],
)
def test_an_estimate_with_a_unit_has_four_digits(values, text):
    assert format_estimate(*values) == text
